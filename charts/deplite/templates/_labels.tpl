{{/*
Labels. Names are the same whatever the release is called: the kinds, the cluster-wide roles and the Leases allow one
installation in a cluster, and the operator's messages name the ServiceAccounts.

"deplite.selector" takes (list $ "component").
*/}}
{{- define "deplite.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: deplite
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "deplite.labels" -}}
{{- $root := index . 0 -}}
{{ include "deplite.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: deplite
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end }}
