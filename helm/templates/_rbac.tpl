{{/* What an object that belongs to no namespace is called: (list CONTEXT WORD). */}}
{{- define "lockstep.clusterWide" -}}
{{- $context := index . 0 -}}
{{- printf "%s-%s-%s" (include "lockstep.fullname" $context) (index . 1) (include "lockstep.namespace" $context) -}}
{{- end }}

{{/* What the engine says it is while it acts as a tenant's service account. */}}
{{- define "lockstep.mark" -}}
{{- printf "%s/%s" (include "lockstep.namespace" .) (include "lockstep.serviceAccountName" .) -}}
{{- end }}

{{/* Whom a binding gives the engine's rights to. */}}
{{- define "lockstep.subjects" -}}
- kind: ServiceAccount
  name: {{ include "lockstep.serviceAccountName" . }}
  namespace: {{ include "lockstep.namespace" . }}
{{- end }}

{{/* The API groups of Flux's kinds. */}}
{{- define "lockstep.fluxGroups" -}}
- source.toolkit.fluxcd.io
- source.extensions.fluxcd.io
- kustomize.toolkit.fluxcd.io
- helm.toolkit.fluxcd.io
- notification.toolkit.fluxcd.io
- image.toolkit.fluxcd.io
{{- end }}
