{{/*
The settings of the apiserver: every variable of docs/architecture.md that means something in a pod. Those that point
at files name what "deplite.apiserver.files" puts there.
*/}}
{{- define "deplite.apiserver.env" -}}
{{- $env := dict
  "DEPLITE_LISTEN" (printf "%s:8080" .Values.apiserver.host)
  "DEPLITE_PUBLIC_URL" (include "deplite.publicUrl" .)
  "DEPLITE_SYSTEM_NAMESPACE" .Release.Namespace
  "DEPLITE_METRICS_LISTEN" (ternary (printf "%s:9090" .Values.apiserver.host) "" .Values.metrics.enabled)
  "DEPLITE_DRAIN_SECONDS" (.Values.apiserver.drainSeconds | int64 | toString)
  "DEPLITE_LOG_FORMAT" .Values.apiserver.logFormat
  "DEPLITE_LOG_LEVEL" .Values.apiserver.logLevel
  "DEPLITE_TRUSTED_PROXIES" (join "," .Values.apiserver.trustedProxies)
  "DEPLITE_JWT_ISSUERS" "/etc/deplite/issuers.json"
}}
{{- $env = merge $env (include "deplite.apiserver.env.s3" . | fromYaml) }}
{{- $env = merge $env (include "deplite.apiserver.env.redis" . | fromYaml) }}
{{- $env = merge $env (include "deplite.apiserver.env.slack" . | fromYaml) }}
{{- range $name, $value := .Values.apiserver.limits }}
{{- if not (kindIs "invalid" $value) }}
{{- $_ := set $env (printf "DEPLITE_%s" (snakecase $name | upper)) ($value | int64 | toString) }}
{{- end }}
{{- end }}
{{- include "deplite.env" (mergeOverwrite $env .Values.apiserver.extraEnv) }}
{{- end }}

{{- define "deplite.apiserver.env.s3" -}}
DEPLITE_S3_ENDPOINT: {{ include "deplite.s3.endpoint" . | quote }}
DEPLITE_S3_PUBLIC_ENDPOINT: {{ .Values.s3.publicEndpoint | quote }}
DEPLITE_S3_BUCKET: {{ .Values.s3.bucket | quote }}
DEPLITE_S3_REGION: {{ .Values.s3.region | quote }}
DEPLITE_S3_STYLE: {{ .Values.s3.style | quote }}
DEPLITE_S3_ACCESS_KEY_FILE: /etc/deplite/s3/access-key
DEPLITE_S3_SECRET_KEY_FILE: /etc/deplite/s3/secret-key
DEPLITE_S3_CA_FILE: {{ ternary "/etc/deplite/s3/ca.crt" "" (not (empty .Values.s3.ca.secretName)) | quote }}
{{- end }}

{{- define "deplite.apiserver.env.redis" -}}
{{- $url := include "deplite.redis.url" . -}}
{{- if $url -}}
{{- $secret := .Values.redis.existingSecret -}}
DEPLITE_REDIS_URL: {{ $url | quote }}
DEPLITE_REDIS_USERNAME: {{ .Values.redis.username | quote }}
{{- if or .Values.valkey.enabled $secret.name }}
DEPLITE_REDIS_PASSWORD_FILE: /etc/deplite/redis/password
{{- end }}
{{- if and $secret.name $secret.sentinelPasswordKey }}
DEPLITE_REDIS_SENTINEL_PASSWORD_FILE: /etc/deplite/redis/sentinel-password
{{- end }}
{{- if .Values.redis.ca.secretName }}
DEPLITE_REDIS_CA_FILE: /etc/deplite/redis/ca.crt
{{- end }}
{{- else -}}
{}
{{- end -}}
{{- end }}

{{- define "deplite.apiserver.env.slack" -}}
{{- if .Values.slack.clientId -}}
DEPLITE_SLACK_CLIENT_ID: {{ .Values.slack.clientId | quote }}
DEPLITE_SLACK_CLIENT_SECRET_FILE: /etc/deplite/slack/client-secret
DEPLITE_SLACK_SIGNING_SECRET_FILE: /etc/deplite/slack/signing-secret
DEPLITE_SLACK_URL: {{ .Values.slack.url | quote }}
{{- else -}}
{}
{{- end -}}
{{- end }}

{{/*
The files under /etc/deplite, as sources of one projected volume: a rotated Secret arrives there without a restart.
*/}}
{{- define "deplite.apiserver.files" -}}
- configMap:
    name: deplite-apiserver
- secret:
    name: {{ include "deplite.s3.secret" . | quote }}
    items:
      - {key: {{ .Values.s3.existingSecret.accessKeyKey | quote }}, path: s3/access-key}
      - {key: {{ .Values.s3.existingSecret.secretKeyKey | quote }}, path: s3/secret-key}
{{- with .Values.s3.ca }}
{{- if .secretName }}
- secret:
    name: {{ .secretName | quote }}
    items:
      - {key: {{ .key | quote }}, path: s3/ca.crt}
{{- end }}
{{- end }}
{{- $redis := .Values.redis }}
{{- if or .Values.valkey.enabled $redis.existingSecret.name }}
- secret:
    name: {{ ternary "deplite-valkey" $redis.existingSecret.name .Values.valkey.enabled | quote }}
    items:
      - {key: {{ $redis.existingSecret.passwordKey | quote }}, path: redis/password}
      {{- with $redis.existingSecret.sentinelPasswordKey }}
      - {key: {{ . | quote }}, path: redis/sentinel-password}
      {{- end }}
{{- end }}
{{- with $redis.ca }}
{{- if .secretName }}
- secret:
    name: {{ .secretName | quote }}
    items:
      - {key: {{ .key | quote }}, path: redis/ca.crt}
{{- end }}
{{- end }}
{{- with .Values.slack.existingSecret }}
{{- if .name }}
- secret:
    name: {{ .name | quote }}
    items:
      - {key: {{ .clientSecretKey | quote }}, path: slack/client-secret}
      - {key: {{ .signingSecretKey | quote }}, path: slack/signing-secret}
{{- end }}
{{- end }}
{{- end }}
