{{/*
Whether Organization objects are rendered: Helm refuses a whole release that has an object of a kind which the cluster
does not know yet, and on the very first install it does not know ours.
*/}}
{{- define "deplite.organizations.rendered" -}}
{{- $when := .Values.organizationObjects -}}
{{- $known := .Capabilities.APIVersions.Has "deplite.io/v1alpha1/Organization" -}}
{{- if or (eq $when "always") (and (eq $when "auto") $known) -}}
true
{{- end -}}
{{- end }}

{{/*
Whether their ResourceQuotas are rendered. A cluster looks for new kinds to count each half minute; a quota that was there
before it saw ours counts nothing until its round five minutes later, and till then each object is refused ("status unknown
for quota"). So quotas come with the first upgrade two minutes after the kinds.
*/}}
{{- define "deplite.quotas.rendered" -}}
{{- $form := "2006-01-02T15:04:05Z07:00" -}}
{{- $kind := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "agents.deplite.io" | default dict -}}
{{- $since := dig "metadata" "creationTimestamp" (now | date $form) $kind | toDate $form -}}
{{- $known := ge (sub (now | unixEpoch) (unixEpoch $since)) 120 -}}
{{- if and .Values.organizationQuota.enabled (or (eq .Values.organizationObjects "always") $known) -}}
true
{{- end -}}
{{- end }}

{{/* "deplite.member" takes (list $ member): a person by issuer and subject, or a ServiceAccount of this cluster. */}}
{{- define "deplite.member" -}}
{{- $root := index . 0 -}}
{{- with index . 1 -}}
{{- if .serviceAccount -}}
issuer: {{ $root.Values.signIn.cluster.issuer | quote }}
subject: {{ printf "system:serviceaccount:%s:%s" (.namespace | default $root.Release.Namespace) .serviceAccount | quote }}
{{- else -}}
issuer: {{ .issuer | quote }}
subject: {{ .subject | quote }}
{{- end }}
role: {{ .role }}
{{- end }}
{{- end }}
