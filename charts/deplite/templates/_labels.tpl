{{/*
Labels. Names are the same whatever the release is called: the kinds, the cluster-wide roles and the Leases allow one
installation in a cluster, and the operator's messages name the ServiceAccounts.

"deplite.selector" takes (list $ "component").
*/}}
{{- define "deplite.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: deplite
app.kubernetes.io/instance: {{ $root.Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* "deplite.labels" takes (list $ "component"), and may take a map of more; commonLabels are there, and ours go first. */}}
{{- define "deplite.labels" -}}
{{- $root := index . 0 -}}
{{- $ours := include "deplite.selector" . | fromYaml -}}
{{- $ours = merge $ours (dict
  "app.kubernetes.io/version" $root.Chart.AppVersion
  "app.kubernetes.io/part-of" "deplite"
  "app.kubernetes.io/managed-by" $root.Release.Service
  "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_")
) -}}
{{- range slice . 2 -}}
{{- $ours = merge $ours (. | default dict) -}}
{{- end -}}
{{ merge $ours $root.Values.commonLabels | toYaml }}
{{- end }}

{{/*
"deplite.pod.labels", as "deplite.labels", for pods: without what each version of the chart changes, or the bundled stores
would be replaced, and be away meanwhile, by every upgrade.
*/}}
{{- define "deplite.pod.labels" -}}
{{ omit (include "deplite.labels" . | fromYaml) "app.kubernetes.io/version" "helm.sh/chart" | toYaml }}
{{- end }}
