{{/*
The roles of files/rights, which are those of `deplite up`. "deplite.roles" takes (list $ "ClusterRole" "file" …) and
gives a YAML document with the roles of that kind under `items`.
*/}}
{{- define "deplite.roles" -}}
{{- $root := index . 0 -}}
{{- $kind := index . 1 -}}
{{- $items := list -}}
{{- range slice . 2 -}}
{{- range $text := splitList "\n---\n" ($root.Files.Get (printf "files/rights/%s.yaml" .)) -}}
{{- $role := fromYaml $text -}}
{{- if eq $role.kind $kind -}}
{{- $items = append $items $role -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{ dict "items" $items | toYaml }}
{{- end }}

{{/* "deplite.role" takes (list $ role): one role as this release makes it. */}}
{{- define "deplite.role" -}}
{{- $root := index . 0 -}}
{{- with index . 1 }}
apiVersion: {{ .apiVersion }}
kind: {{ .kind }}
metadata:
  name: {{ .metadata.name }}
  {{- if eq .kind "Role" }}
  namespace: {{ $root.Release.Namespace | quote }}
  {{- end }}
  labels:
    {{- include "deplite.labels" (list $root "rights") | nindent 4 }}
    {{- if $root.Values.rbac.aggregateClusterRoles }}
    {{- with .metadata.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- end }}
rules:
  {{- toYaml .rules | nindent 2 }}
{{- end }}
{{- end }}

{{/* "deplite.binding" takes (list $ role "part"): the binding of a role to a part's ServiceAccount. */}}
{{- define "deplite.binding" -}}
{{- $root := index . 0 -}}
{{- $role := index . 1 }}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $role.kind }}Binding
metadata:
  name: {{ $role.metadata.name }}
  {{- if eq $role.kind "Role" }}
  namespace: {{ $root.Release.Namespace | quote }}
  {{- end }}
  labels:
    {{- include "deplite.labels" (list $root "rights") | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $role.kind }}
  name: {{ $role.metadata.name }}
subjects:
  - kind: ServiceAccount
    name: deplite-{{ index . 2 }}
    namespace: {{ $root.Release.Namespace | quote }}
{{- end }}
