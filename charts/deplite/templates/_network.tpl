{{/*
Rules that several NetworkPolicies have in common. Link-local addresses are never reached: that is where clouds hand
out a machine's credentials.
*/}}
{{- define "deplite.network.ports" -}}
{{- range . }}
- {port: {{ int . }}, protocol: TCP}
{{- end }}
{{- end }}

{{/* Everywhere but link-local, or the networks given. */}}
{{- define "deplite.network.blocks" -}}
{{- if . -}}
{{- range . }}
- ipBlock: {cidr: {{ . | quote }}}
{{- end }}
{{- else }}
- ipBlock: {cidr: 0.0.0.0/0, except: [169.254.0.0/16]}
- ipBlock: {cidr: "::/0", except: ["fe80::/10"]}
{{- end }}
{{- end }}

{{/*
The agent pods of all organizations, as peers. Whoever makes a pod chooses its labels, so the namespace counts as well: one
that `organizations` names (this label the API server sets), or one that carries the label of organizations made elsewhere.
*/}}
{{- define "deplite.network.pools" -}}
- namespaceSelector:
    matchLabels: {deplite.io/organization: "true"}
  podSelector:
    matchExpressions: [{key: deplite.io/pool, operator: Exists}]
{{- $names := list -}}
{{- range .Values.organizations -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- if $names }}
- namespaceSelector:
    matchExpressions:
      - {key: kubernetes.io/metadata.name, operator: In, values: {{ $names | toJson }}}
  podSelector:
    matchExpressions: [{key: deplite.io/pool, operator: Exists}]
{{- end }}
{{- end }}

{{/* What every part of ours needs: names, and the Kubernetes API. */}}
{{- define "deplite.network.egress" -}}
{{- with .Values.networkPolicies -}}
# Names. The address may be a link-local one: a cache on the node.
- ports:
    {{- range .dnsPorts }}
    - {port: {{ int . }}, protocol: UDP}
    - {port: {{ int . }}, protocol: TCP}
    {{- end }}
# The Kubernetes API. A policy cannot name it; narrow it to your control plane with kubernetesApi.cidrs.
- to:
    {{- include "deplite.network.blocks" .kubernetesApi.cidrs | trim | nindent 4 }}
  ports:
    {{- include "deplite.network.ports" .kubernetesApi.ports | trim | nindent 4 }}
{{- end }}
{{- end }}

{{/*
Ports of an address like http://host:9000, or redis://one:26380,[fd00::2]; "deplite.network.urlPorts" takes (list url
port): a host that names none has that one.
*/}}
{{- define "deplite.network.urlPorts" -}}
{{- $usual := index . 1 -}}
{{- $ports := list -}}
{{- range regexReplaceAll "^[^/]*//([^/]*).*$" (index . 0) "${1}" | splitList "," -}}
{{- $ports = append $ports (regexFind ":[0-9]+$" . | trimPrefix ":" | default $usual | int) -}}
{{- end -}}
{{ uniq $ports | toJson }}
{{- end }}
