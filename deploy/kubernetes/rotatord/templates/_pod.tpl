{{- /* The pod, which is the same in a StatefulSet and in a Deployment. */ -}}
{{- define "rotatord.pod" -}}
metadata:
  labels:
    {{- include "rotatord.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    # A changed configuration restarts the pod, which is safe at any instant.
    checksum/config: {{ toYaml .Values.config | sha256sum }}
    {{- with .Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "rotatord.serviceAccount" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  # Calls in flight get 20 seconds.
  terminationGracePeriodSeconds: 30
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  containers:
    - name: rotatord
      image: {{ include "rotatord.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [run, --config, /etc/rotatord/rotatord.yaml]
      {{- with .Values.extraEnv }}
      env: {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - {name: http, containerPort: 9650}
      # A journal that is brought up to date at the start may take a while.
      startupProbe:
        httpGet: &alive {path: /-/healthy, port: http, scheme: {{ ternary "HTTPS" "HTTP" (ne .Values.tls.secretName "") }}}
        periodSeconds: 5
        failureThreshold: 60
      livenessProbe:
        httpGet: *alive
        periodSeconds: 15
        timeoutSeconds: 5
        failureThreshold: 4
      readinessProbe:
        httpGet: {path: /-/ready, port: http, scheme: {{ ternary "HTTPS" "HTTP" (ne .Values.tls.secretName "") }}}
        periodSeconds: 10
        timeoutSeconds: 5
      resources: {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts:
        - {name: config, mountPath: /etc/rotatord, readOnly: true}
        - {name: secrets, mountPath: /run/secrets/rotatord, readOnly: true}
        {{- if not (include "rotatord.shared" .) }}
        - {name: journal, mountPath: /var/lib/rotatord}
        {{- end }}
        {{- if .Values.tls.secretName }}
        - {name: tls, mountPath: /run/secrets/rotatord-tls, readOnly: true}
        {{- end }}
        {{- if .Values.vaultToken.enabled }}
        - {name: vault-token, mountPath: /run/secrets/vault, readOnly: true}
        {{- end }}
        {{- with .Values.extraVolumeMounts }}{{ toYaml . | nindent 8 }}{{ end }}
  volumes:
    - name: config
      configMap: {name: {{ include "rotatord.name" . }}}
    # Readable by the pod's group and by nobody else; rotatord refuses a seal key that others can read.
    - name: secrets
      secret: {secretName: {{ .Values.secrets.name }}, defaultMode: 0440}
    {{- with .Values.tls.secretName }}
    - name: tls
      secret: {secretName: {{ . }}, defaultMode: 0440}
    {{- end }}
    {{- if .Values.vaultToken.enabled }}
    - name: vault-token
      projected:
        defaultMode: 0440
        sources:
          - serviceAccountToken:
              path: token
              audience: {{ .Values.vaultToken.audience | quote }}
              expirationSeconds: {{ int .Values.vaultToken.expirationSeconds }}
    {{- end }}
    {{- with .Values.extraVolumes }}{{ toYaml . | nindent 4 }}{{ end }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  affinity:
    {{- if .Values.affinity }}{{ toYaml .Values.affinity | nindent 4 }}{{ else }}
    podAntiAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 100
          podAffinityTerm:
            topologyKey: kubernetes.io/hostname
            labelSelector:
              matchLabels: {{- include "rotatord.selector" . | nindent 16 }}
    {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
