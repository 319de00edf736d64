{{/* Where the API is, for webhook URLs and for people. */}}
{{- define "deplite.publicUrl" -}}
{{- if .Values.publicUrl -}}
{{ .Values.publicUrl | trimSuffix "/" }}
{{- else if .Values.hosts.api -}}
https://{{ .Values.hosts.api }}
{{- else -}}
{{ include "deplite.serviceUrl" . }}
{{- end -}}
{{- end }}

{{/* Where the API is for pods. */}}
{{- define "deplite.serviceUrl" -}}
http://deplite-apiserver.{{ .Release.Namespace }}.svc
{{- end }}

{{/* The two hosts, or the one where both are the same, as a JSON list. */}}
{{- define "deplite.hosts" -}}
{{ compact (list .Values.hosts.app .Values.hosts.api) | uniq | toJson }}
{{- end }}

{{- define "deplite.s3.endpoint" -}}
{{- if .Values.seaweedfs.enabled -}}
http://deplite-seaweedfs.{{ .Release.Namespace }}.svc:8333
{{- else -}}
{{ .Values.s3.endpoint }}
{{- end -}}
{{- end }}

{{- define "deplite.s3.secret" -}}
{{ ternary "deplite-seaweedfs" .Values.s3.existingSecret.name .Values.seaweedfs.enabled }}
{{- end }}

{{- define "deplite.redis.url" -}}
{{- if .Values.valkey.enabled -}}
redis://deplite-valkey.{{ .Release.Namespace }}.svc:6379
{{- else -}}
{{ .Values.redis.url }}
{{- end -}}
{{- end }}
