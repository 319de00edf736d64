{{/*
What all pods have in common, so that each setting of `pods` means the same in each of them: Pod Security `restricted`,
a read-only root, where they may run, what is added to them.

"deplite.pod.settings" takes (list $ .Values.<component>) and gives `pods` with what <component>.pod says instead, as a
YAML document. Maps are merged; whatever else the component says replaces what all have, `false` and an empty list too.
*/}}
{{- define "deplite.pod.settings" -}}
{{- $settings := deepCopy (index . 0).Values.pods -}}
{{- range $name, $own := (index . 1).pod -}}
{{- $all := get $settings $name -}}
{{- if and (kindIs "map" $own) (kindIs "map" $all) -}}
{{- $own = mergeOverwrite $all $own -}}
{{- end -}}
{{- $_ := set $settings $name $own -}}
{{- end -}}
{{ toYaml $settings }}
{{- end }}

{{/* "deplite.image" takes (list $ .Values.<component>.image). */}}
{{- define "deplite.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- $name := $image.repository -}}
{{- with $root.Values.imageRegistry -}}
{{- $name = printf "%s/%s" . $name -}}
{{- end -}}
{{- if $image.digest -}}
{{ $name }}@{{ $image.digest }}
{{- else -}}
{{ $name }}:{{ $image.tag | default $root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The number of old ReplicaSets, for the spec of a Deployment. */}}
{{- define "deplite.pod.history" -}}
{{- if not (kindIs "invalid" .Values.revisionHistoryLimit) }}
  revisionHistoryLimit: {{ .Values.revisionHistoryLimit | int64 }}
{{- end }}
{{- end }}

{{/* "deplite.pod.security" takes (list $pod id): as whom the processes run. */}}
{{- define "deplite.pod.security" -}}
{{- $pod := index . 0 -}}
{{- $id := index . 1 -}}
{{- $ours := dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- if $pod.fixedIds -}}
{{- $ours = merge $ours (dict "runAsUser" $id "runAsGroup" $id "fsGroup" $id "fsGroupChangePolicy" "OnRootMismatch") -}}
{{- end -}}
{{ mergeOverwrite $ours ($pod.securityContext | default dict) | toYaml }}
{{- end }}

{{/* "deplite.container.security" takes $pod. */}}
{{- define "deplite.container.security" -}}
{{- $ours := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL")) -}}
{{ mergeOverwrite $ours (.containerSecurityContext | default dict) | toYaml }}
{{- end }}

{{/* "deplite.pod.placement" takes (list $ "component" $pod replicas): where the pods run, and how they see their node. */}}
{{- define "deplite.pod.placement" -}}
{{- $root := index . 0 -}}
{{- $pod := index . 2 -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- range $name := list "priorityClassName" "runtimeClassName" "dnsPolicy" "dnsConfig" "hostAliases" "nodeSelector" "tolerations" "affinity" }}
{{- with get $pod $name }}
{{ dict $name . | toYaml }}
{{- end }}
{{- end }}
{{- if not (kindIs "invalid" $pod.hostUsers) }}
hostUsers: {{ $pod.hostUsers }}
{{- end }}
{{- include "deplite.pod.spread" . }}
{{- end }}

{{/* How replicas spread. A constraint without a selector would count no pods: it gets that of its component. */}}
{{- define "deplite.pod.spread" -}}
{{- $selector := dict "matchLabels" (include "deplite.selector" (list (index . 0) (index . 1)) | fromYaml) -}}
{{- $said := (index . 2).topologySpreadConstraints -}}
{{- if and (not $said) (gt (int (index . 3)) 1) -}}
{{- $said = list (dict "maxSkew" 1 "topologyKey" "kubernetes.io/hostname" "whenUnsatisfiable" "ScheduleAnyway") -}}
{{- end -}}
{{- with $said }}
topologySpreadConstraints:
  {{- range . }}
  - {{- merge (deepCopy .) (dict "labelSelector" $selector) | toYaml | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{/*
The ServiceAccount's token, mounted by name and into our container alone: what else is put into the pod gets none.
*/}}
{{- define "deplite.account.mount" -}}
- {name: account, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
{{- end }}

{{- define "deplite.account.volume" -}}
- name: account
  projected:
    defaultMode: 0444
    sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3607}
      - configMap:
          name: kube-root-ca.crt
          items: [{key: ca.crt, path: ca.crt}]
      - downwardAPI:
          items: [{path: namespace, fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}]
{{- end }}

{{/* "deplite.pod.probe" takes (list path port settings). */}}
{{- define "deplite.pod.probe" -}}
httpGet: {path: {{ index . 0 }}, port: {{ index . 1 }}}
{{ index . 2 | toYaml }}
{{- end }}

{{/*
"deplite.env" takes a map of variables to strings, or to where Kubernetes finds their value; those that are empty are
left to the part's default.
*/}}
{{- define "deplite.env" -}}
{{- range $name, $value := . }}
{{- if kindIs "map" $value }}
- name: {{ $name | quote }}
  valueFrom:
    {{- toYaml $value | nindent 4 }}
{{- else if $value }}
- name: {{ $name | quote }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* "deplite.account" takes (list $ "component" .Values.<component>.serviceAccount): a part's ServiceAccount. */}}
{{- define "deplite.account" -}}
{{- $root := index . 0 -}}
{{- $account := index . 2 -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: deplite-{{ index . 1 }}
  namespace: {{ $root.Release.Namespace | quote }}
  labels:
    {{- include "deplite.labels" (list $root (index . 1) $account.labels) | nindent 4 }}
  {{- with $account.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end }}

{{/* "deplite.budget" takes (list $ "component" .Values.<component>): how many may be away at once, of more than one. */}}
{{- define "deplite.budget" -}}
{{- $root := index . 0 -}}
{{- $part := index . 2 -}}
{{- if and $part.podDisruptionBudget.enabled (gt (int $part.replicas) 1) -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: deplite-{{ index . 1 }}
  namespace: {{ $root.Release.Namespace | quote }}
  labels:
    {{- include "deplite.labels" (list $root (index . 1)) | nindent 4 }}
spec:
  {{- with $part.podDisruptionBudget }}
  {{- if kindIs "invalid" .minAvailable }}
  maxUnavailable: {{ .maxUnavailable }}
  {{- else }}
  minAvailable: {{ .minAvailable }}
  {{- end }}
  {{- end }}
  # A replica that is not ready serves nobody: draining it harms nobody.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "deplite.selector" (list $root (index . 1)) | nindent 6 }}
{{- end }}
{{- end }}
