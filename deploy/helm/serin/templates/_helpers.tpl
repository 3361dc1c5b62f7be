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
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
{{- end }}

{{/* The labels, and those of a value, which replace labels of the chart. */}}
{{- define "serin.labelsWith" -}}
{{- toYaml (mergeOverwrite (include "serin.labels" (index . 0) | fromYaml) (index . 1 | default dict)) }}
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
{{- toYaml (merge (default dict .Values.flags | deepCopy) $needed) }}
{{- else }}
{{- default dict .Values.flags | toYaml }}
{{- end }}
{{- end }}

{{/* The addresses of flags.yaml, as text whatever they are, and their ports. */}}
{{- define "serin.listen" -}}
{{- get (include "serin.flags" . | fromYaml) "listen" | default "127.0.0.1:7171" | toString }}
{{- end }}
{{- define "serin.probe" -}}
{{- $probe := get (include "serin.flags" . | fromYaml) "probe" }}
{{- if kindIs "map" $probe }}{{ get $probe "listen" | toString }}{{ end }}
{{- end }}
{{- define "serin.listenPort" -}}
{{- include "serin.listen" . | regexFind "[0-9]+$" | default "7171" }}
{{- end }}
{{- define "serin.probePort" -}}
{{- include "serin.probe" . | regexFind "[0-9]+$" | default "7173" }}
{{- end }}

{{/* `drain` in seconds. That of a ConfigMap of one's own is not known: Serin's default is taken. */}}
{{- define "serin.drainSeconds" -}}
{{- $flags := ternary dict (include "serin.flags" . | fromYaml) (not (empty .Values.existingConfigMap)) }}
{{- $drain := get $flags "drain" | default "10m" | toString }}
{{- if not (regexMatch "^([0-9]+(ms|s|m|h|d))+$" $drain) }}
{{- fail (printf "flags: drain is %s, which is no length of time. Write a number and its unit: 2m." $drain) }}
{{- end }}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 }}
{{- $sum := 999 }}
{{- range regexFindAll "[0-9]+[a-z]+" $drain -1 }}
{{- $sum = add $sum (mul (regexFind "[0-9]+" . | int64) (get $units (regexFind "[a-z]+" .))) }}
{{- end }}
{{- div $sum 1000 }}
{{- end }}

{{/* How long a pod may take to end: preStop, drain, and some time to write its state. */}}
{{- define "serin.graceSeconds" -}}
{{- $set := int64 .Values.terminationGracePeriodSeconds }}
{{- $needed := include "serin.drainSeconds" . | int64 | add (int64 .Values.preStopSeconds) }}
{{- if and $set (le $set $needed) (not .Values.existingConfigMap) }}
{{- $long := printf "%d is not more than the %d seconds of preStopSeconds and drain (10m by default)" $set $needed }}
{{- fail (printf "terminationGracePeriodSeconds: %s. Lower drain in flags.yaml, or set 0, which adds them up." $long) }}
{{- end }}
{{- $set | default (add $needed 25) }}
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
    name: {{ include "serin.configMap" . | quote }}
{{- if include "serin.hasSecret" . }}
- name: serin-keys
  secret:
    secretName: {{ include "serin.secret" . | quote }}
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
{{- include "serin.checkNames" . }}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) }}
{{- fail "autoscaling.minReplicas is more than maxReplicas." }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
{{- fail "ingress.hosts is empty. Add a host: [{host: serin.example.com}]." }}
{{- end }}
{{- end }}
{{- end }}

{{/* Names of the gateway that the API server would refuse, or that select no pod. */}}
{{- define "serin.checkNames" -}}
{{- $name := include "serin.fullname" . }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) }}
{{- $rule := "which is no name for a Service: lower-case letters, digits and dashes, with a letter first" }}
{{- fail (printf "fullnameOverride: the name is %s, %s. Set another, such as serin." $name $rule) }}
{{- end }}
{{- range $label, $_ := include "serin.selectorLabels" . | fromYaml }}
{{- if hasKey (default dict $.Values.podLabels) $label }}
{{- fail (printf "podLabels: %s is a label that selects the pods. Remove it; nameOverride sets the name." $label) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "serin.checkGateway" -}}
{{- $values := (index . 0).Values }}
{{- $flags := index . 1 }}
{{- $auto := list }}
{{- if not (kindIs "slice" (default list $flags.rollouts)) }}
{{- fail "flags: rollouts is no list. Write rollouts: [{name: chat, stable: openai}], and check it with `serin check`." }}
{{- end }}
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
{{- $probe := include "serin.probe" (index . 0) }}
{{- if not $probe }}
{{- fail "flags: probe.listen is missing, which the kubelet and Prometheus need. Set probe: {listen: 0.0.0.0:7173}." }}
{{- end }}
{{- range $key, $address := dict "listen" (include "serin.listen" (index . 0)) "probe.listen" $probe }}
{{- $port := regexFind "[0-9]+$" $address | default (ternary "7171" "7173" (eq $key "listen")) }}
{{- if not (regexMatch "^.+:[0-9]+$" $address) }}
{{- fail (printf "flags: %s is %s, which is no address. Set 0.0.0.0:%s." $key $address $port) }}
{{- end }}
{{- if regexMatch "^(127\\.|localhost:|\\[::1\\]|\\[::ffff:127\\.)" $address }}
{{- $who := ternary "no other pod reaches" "neither the kubelet nor Prometheus reaches" (eq $key "listen") }}
{{- fail (printf "flags: %s is loopback, which %s. Set 0.0.0.0:%s." $key $who $port) }}
{{- end }}
{{- end }}
{{- if not (or $flags.clients $flags.open) }}
{{- fail "flags: clients is missing. Without it everyone in the cluster may spend the keys: add clients, or open: true." }}
{{- end }}
{{- end }}
