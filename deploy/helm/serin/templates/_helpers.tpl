{{- define "serin.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | regexFind ".*[^-._]" }}
{{- end }}

{{/*
At most 52 characters: `-headless` and the hash that a StatefulSet puts behind its name have to fit into the 63 of a
Service and of a label.
*/}}
{{- define "serin.fullname" -}}
{{- $name := include "serin.name" . }}
{{- $usual := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- default $usual .Values.fullnameOverride | trunc 52 | regexFind ".*[^-._]" }}
{{- end }}

{{- define "serin.selectorLabels" -}}
app.kubernetes.io/name: {{ include "serin.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* The labels of the pod of `helm test`, which is none of those that serve. */}}
{{- define "serin.testLabels" -}}
app.kubernetes.io/name: {{ printf "%s-test" (include "serin.name" . | trunc 58 | regexFind ".*[^-._]") | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "serin.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "serin.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* The labels, and those of a value, which replace labels of the chart. */}}
{{- define "serin.labelsWith" -}}
{{- toYaml (mergeOverwrite (include "serin.labels" (index . 0) | fromYaml) (index . 1)) }}
{{- end }}

{{- define "serin.configMap" -}}
{{- default (printf "%s-flags" (include "serin.fullname" .)) .Values.existingConfigMap }}
{{- end }}

{{- define "serin.secret" -}}
{{- default (printf "%s-keys" (include "serin.fullname" .)) .Values.existingSecret }}
{{- end }}

{{- define "serin.hasSecret" -}}
{{- if or .Values.existingSecret .Values.secret }}true{{ end }}
{{- end }}

{{- define "serin.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "serin.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "serin.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}
{{- end }}

{{/* The text of flags.yaml, with what the gateway needs. */}}
{{- define "serin.flags" -}}
{{- if .Values.flagsFile }}
{{- .Values.flagsFile }}
{{- else if eq .Values.mode "gateway" }}
{{- $needed := dict "listen" "0.0.0.0:7171" "probe" (dict "listen" "0.0.0.0:7173") "drain" "2m" }}
{{- toYaml (merge (deepCopy .Values.flags) $needed) }}
{{- else }}
{{- toYaml .Values.flags }}
{{- end }}
{{- end }}

{{/* The ports of flags.yaml. */}}
{{- define "serin.listenPort" -}}
{{- $flags := include "serin.flags" . | fromYaml }}
{{- default "0.0.0.0:7171" $flags.listen | regexFind "[0-9]+$" }}
{{- end }}
{{- define "serin.probePort" -}}
{{- $flags := include "serin.flags" . | fromYaml }}
{{- dig "probe" "listen" "0.0.0.0:7173" $flags | regexFind "[0-9]+$" }}
{{- end }}

{{/* What both forms of the container have. */}}
{{- define "serin.container" -}}
name: serin
image: {{ include "serin.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [run]
env:
  - name: SERIN_FLAGS
    value: /etc/serin/flags.yaml
  - name: SERIN_STATE
    value: /var/lib/serin
  - name: SERIN_LOG_FORMAT
    value: json
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
volumeMounts:
  # The directory and not the file: with subPath a changed ConfigMap is never seen.
  - name: serin-flags
    mountPath: /etc/serin
    readOnly: true
  {{- if include "serin.hasSecret" . }}
  - name: serin-keys
    mountPath: /run/secrets/serin
    readOnly: true
  {{- end }}
  - name: serin-state
    mountPath: /var/lib/serin
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* The volumes of the ConfigMap and the Secret. */}}
{{- define "serin.configVolumes" -}}
- name: serin-flags
  configMap:
    name: {{ include "serin.configMap" . }}
{{- if include "serin.hasSecret" . }}
- name: serin-keys
  secret:
    secretName: {{ include "serin.secret" . }}
{{- end }}
{{- end }}

{{/* The state of a pod that keeps none after its end. */}}
{{- define "serin.stateVolume" -}}
- name: serin-state
  emptyDir:
    sizeLimit: {{ .Values.stateSizeLimit }}
{{- end }}

{{/*
A native sidecar for a pod of one's own, as an item of `initContainers`, with the chart as a subchart:

  initContainers:
    {{- include "serin.sidecar" .Subcharts.serin | nindent 8 }}
  containers:
    - name: app
      env: [{ name: OPENAI_BASE_URL, value: http://127.0.0.1:7171/v1 }]
  volumes:
    {{- include "serin.volumes" .Subcharts.serin | nindent 8 }}
*/}}
{{- define "serin.sidecar" -}}
- {{- include "serin.container" . | nindent 2 }}
  # Starts before the application, and gets SIGTERM after the application has ended.
  restartPolicy: Always
  startupProbe:
    exec:
      command: [/usr/local/bin/serin, healthcheck]
    periodSeconds: 1
    timeoutSeconds: 5
    failureThreshold: 60
  livenessProbe:
    exec:
      command: [/usr/local/bin/serin, healthcheck, --live]
    periodSeconds: 10
    timeoutSeconds: 5
{{- end }}

{{/* The volumes of `serin.sidecar`. */}}
{{- define "serin.volumes" -}}
{{ include "serin.configVolumes" . }}
{{ include "serin.stateVolume" . }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Refuses values that would render and not work. */}}
{{- define "serin.check" -}}
{{- if and .Values.existingSecret .Values.secret }}
{{- fail "secret: existingSecret is set as well. Keep one of them." }}
{{- end }}
{{- if .Values.existingConfigMap }}
{{- if or .Values.flags .Values.flagsFile }}
{{- fail "existingConfigMap: flags or flagsFile is set as well. Keep one of them." }}
{{- end }}
{{- else }}
{{- if and .Values.flags .Values.flagsFile }}
{{- fail "flagsFile: flags is set as well. Keep one of them." }}
{{- end }}
{{- $flags := include "serin.flags" . | fromYaml }}
{{- with $flags.Error }}
{{- fail (printf "flagsFile: %s. Check it with `serin check`." .) }}
{{- end }}
{{- if not $flags.providers }}
{{- fail "flags.providers is missing. Set flags, or --set-file flagsFile=flags.yaml, or existingConfigMap." }}
{{- end }}
{{- if eq .Values.mode "gateway" }}
{{- include "serin.checkGateway" (list . $flags) }}
{{- end }}
{{- end }}
{{- if eq .Values.mode "gateway" }}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) }}
{{- fail "autoscaling.minReplicas is more than maxReplicas." }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
{{- fail "ingress.hosts is empty. Add a host: [{host: serin.example.com}]." }}
{{- end }}
{{- end }}
{{- end }}

{{- define "serin.checkGateway" -}}
{{- $values := (index . 0).Values }}
{{- $flags := index . 1 }}
{{- $auto := list }}
{{- range $flags.rollouts }}
{{- if eq (toString .percent) "auto" }}
{{- $auto = append $auto .name }}
{{- end }}
{{- end }}
{{- if and $auto (not $flags.fleet) }}
{{- $names := join ", " $auto }}
{{- $why := "processes do not share state, and each replica would run a ramp of its own. Pin the percent (percent: 10%)" }}
{{- if $values.autoscaling.enabled }}
{{- fail (printf "autoscaling: rollout %s has percent: auto, %s, or disable autoscaling and set replicaCount: 1." $names $why) }}
{{- else if gt (int $values.replicaCount) 1 }}
{{- fail (printf "replicaCount: rollout %s has percent: auto, %s, or set replicaCount: 1." $names $why) }}
{{- end }}
{{- end }}
{{- if not (dig "probe" "listen" "" $flags) }}
{{- fail "flags: probe.listen is missing, which the kubelet and Prometheus need. Set 0.0.0.0:7173." }}
{{- end }}
{{- if regexMatch "^(127\\.|localhost|\\[::1\\])" (default "127.0.0.1" $flags.listen) }}
{{- fail "flags: listen is loopback, which no other pod reaches. Set 0.0.0.0:7171." }}
{{- end }}
{{- if not (or $flags.clients $flags.open) }}
{{- fail "flags: clients is missing. Without it everyone in the cluster may spend the keys: add clients, or open: true." }}
{{- end }}
{{- end }}
