{{/*
What the schema of the values cannot say: settings that need each other. Each refusal says what to do.
*/}}
{{- define "deplite.checks" -}}
{{- $redis := include "deplite.redis.url" . -}}
{{- if and (gt (int .Values.apiserver.replicas) 1) (not $redis) -}}
{{- fail "apiserver.replicas is more than 1: replicas share rate windows, nonces and who is connected in Redis. Set redis.url (or valkey.enabled=true for a trial), or apiserver.replicas=1." -}}
{{- end -}}
{{- $own := .Values.redis.existingSecret -}}
{{- if and .Values.valkey.enabled (or .Values.redis.url .Values.redis.username $own.name $own.sentinelPasswordKey) -}}
{{- fail "valkey.enabled is set, and redis.url, redis.username, redis.existingSecret.name or redis.existingSecret.sentinelPasswordKey as well: choose the bundled Valkey or your own Redis. The bundled one has a password of its own." -}}
{{- end -}}
{{- if and .Values.redis.username (not .Values.redis.existingSecret.name) -}}
{{- fail "redis.username is set: a user of Redis has a password. Set redis.existingSecret.name." -}}
{{- end -}}
{{- if and .Values.redis.ca.secretName (not (hasPrefix "rediss" .Values.redis.url)) -}}
{{- fail "redis.ca.secretName is set, so redis.url must begin with rediss." -}}
{{- end -}}
{{- if .Values.seaweedfs.enabled -}}
{{- if or .Values.s3.endpoint .Values.s3.existingSecret.name -}}
{{- fail "seaweedfs.enabled is set, and s3.endpoint or s3.existingSecret.name as well: choose the bundled SeaweedFS or your own S3. The bundled one has a credential of its own." -}}
{{- end -}}
{{- else if not (and .Values.s3.endpoint .Values.s3.existingSecret.name) -}}
{{- fail "Logs and files are kept in an S3 bucket: set s3.endpoint, s3.bucket and s3.existingSecret.name (or seaweedfs.enabled=true for a trial)." -}}
{{- end -}}
{{- if and .Values.slack.clientId (not .Values.slack.existingSecret.name) -}}
{{- fail "slack.clientId is set: set slack.existingSecret.name, too." -}}
{{- end -}}
{{- if and .Values.slack.existingSecret.name (not .Values.slack.clientId) -}}
{{- fail "slack.existingSecret.name is set: set slack.clientId, too." -}}
{{- end -}}
{{- if and (or .Values.ingress.enabled .Values.gateway.enabled) (not (and .Values.hosts.app .Values.hosts.api)) -}}
{{- fail "ingress and gateway need both names: set hosts.app (people) and hosts.api (webhooks and agents); they may be the same." -}}
{{- end -}}
{{- if and .Values.gateway.enabled (not .Values.gateway.parentRefs) -}}
{{- fail "gateway.enabled: set gateway.parentRefs to the Gateway that the route belongs to." -}}
{{- end -}}
{{- if not (or .Values.signIn.cluster.enabled .Values.signIn.issuers) -}}
{{- fail "Nobody could sign in: set signIn.cluster.enabled=true, or signIn.issuers." -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled (not .Values.metrics.enabled) -}}
{{- fail "serviceMonitor.enabled: set metrics.enabled=true, too, or there is nothing to scrape." -}}
{{- end -}}
{{- $names := list -}}
{{- range .Values.organizations -}}
{{- if has .name $names -}}
{{- fail (printf "organizations: %s is there twice." .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- end }}
