{{/*
CEL: whether the request is made by one of (dict "users" LIST "groups" LIST).
Requests without groups have no such field.
*/}}
{{- define "lockstep.isMadeBy" -}}
request.userInfo.username in {{ toJson .users }} ||
(has(request.userInfo.groups) && request.userInfo.groups.exists(group, group in {{ toJson .groups }}))
{{- end }}

{{/* Whom a refused person may turn to. */}}
{{- define "lockstep.breakGlass" -}}
{{- $found := list }}
{{- range .groups }}{{ $found = append $found (printf "group %s" .) }}{{ end }}
{{- range .users }}{{ $found = append $found (printf "user %s" .) }}{{ end }}
{{- $nobody := "nobody: admissionPolicies.breakGlass of the chart names no one" }}
{{- if $found }}{{ join ", " $found }}{{ else }}{{ $nobody }}{{ end }}
{{- end }}
