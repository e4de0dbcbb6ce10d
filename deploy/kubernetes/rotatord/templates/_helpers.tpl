{{- define "rotatord.name" -}}
{{ ternary .Release.Name (printf "%s-rotatord" .Release.Name) (contains "rotatord" .Release.Name) | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "rotatord.selector" -}}
app.kubernetes.io/name: rotatord
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "rotatord.labels" -}}
{{ include "rotatord.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "rotatord.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (ternary (include "rotatord.name" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "rotatord.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- /* Whether several replicas can share the journal. */ -}}
{{- define "rotatord.shared" -}}
{{- if (.Values.config.store | default dict).postgres }}yes{{ end }}
{{- end }}

{{- /* Refuses what would start and then lose keys, or never start. */ -}}
{{- define "rotatord.check" -}}
{{- $several := gt (int .Values.replicas) 1 -}}
{{- if and $several (not (include "rotatord.shared" .)) -}}
{{- fail "replicas is above 1, and several replicas share a journal in PostgreSQL only: set config.store.postgres, or replicas: 1" -}}
{{- end -}}
{{- if $several -}}
{{- range .Values.config.sinks -}}
{{- if eq (toString .type) "file" -}}
{{- fail (printf "replicas is above 1, and the sink %s writes files, which only a single replica may: use a Vault sink, or replicas: 1" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $listen := (.Values.config.server | default dict).listen | default "" -}}
{{- if not (hasSuffix ":9650" $listen) -}}
{{- fail (printf "config.server.listen is %q; the container's port is 9650: write 0.0.0.0:9650, or [::]:9650" $listen) -}}
{{- end -}}
{{- if or (hasPrefix "127." $listen) (hasPrefix "localhost:" $listen) (hasPrefix "[::1]" $listen) -}}
{{- fail (printf "config.server.listen is %q, which neither the kubelet's probes nor Prometheus can reach: write 0.0.0.0:9650, or [::]:9650" $listen) -}}
{{- end -}}
{{- end }}
