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
