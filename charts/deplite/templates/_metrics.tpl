{{/*
A Service of its own for each part's metrics: the apiserver's other one may be open to the world.

"deplite.metrics.service" takes (list $ "component").
*/}}
{{- define "deplite.metrics.service" -}}
{{- $root := index . 0 -}}
{{- if $root.Values.metrics.enabled -}}
apiVersion: v1
kind: Service
metadata:
  name: deplite-{{ index . 1 }}-metrics
  namespace: {{ $root.Release.Namespace | quote }}
  labels:
    {{- include "deplite.labels" . | nindent 4 }}
spec:
  type: ClusterIP
  # Each pod is scraped by itself, ready or not.
  clusterIP: None
  publishNotReadyAddresses: true
  ports:
    - {name: metrics, port: 9090, targetPort: metrics, protocol: TCP}
  selector:
    {{- include "deplite.selector" . | nindent 4 }}
{{- end }}
{{- end }}

{{/* Who may scrape: a rule for the Ingress of a NetworkPolicy. Pods of the release's namespace alone, unless said. */}}
{{- define "deplite.metrics.ingress" -}}
{{- if .Values.metrics.enabled -}}
- ports:
    - {port: metrics, protocol: TCP}
  from:
    {{- .Values.networkPolicies.metricsFrom | default (list (dict "podSelector" dict)) | toYaml | nindent 4 }}
{{- end }}
{{- end }}
