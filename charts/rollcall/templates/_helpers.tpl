{{/* The name of the chart in the names of objects. */}}
{{- define "rollcall.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of the release's objects. 44 characters leave room for the longest suffix, and for a pod's number. */}}
{{- define "rollcall.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 44 | trimSuffix "-" -}}
{{- else if contains (include "rollcall.name" .) .Release.Name -}}
{{- .Release.Name | trunc 44 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "rollcall.name" .) | trunc 44 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The labels that select pods. They never change: (dict "root" $ "component" "node"). */}}
{{- define "rollcall.selector" -}}
app.kubernetes.io/name: {{ include "rollcall.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* The labels of objects: (dict "root" $ "component" "node" "more" $labels). */}}
{{- define "rollcall.labels" -}}
{{- $labels := include "rollcall.selector" . | fromYaml -}}
{{- $own := dict
  "app.kubernetes.io/version" (.root.Chart.AppVersion | replace "+" "_")
  "app.kubernetes.io/part-of" "rollcall"
  "app.kubernetes.io/managed-by" .root.Release.Service
  "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") -}}
{{- toYaml (merge $labels $own (.more | default dict) .root.Values.commonLabels) -}}
{{- end -}}

{{/* The labels of pods. No version: what needs no restart makes none. */}}
{{- define "rollcall.podLabels" -}}
{{- toYaml (merge (include "rollcall.selector" . | fromYaml) (.more | default dict) .root.Values.commonLabels) -}}
{{- end -}}

{{/* The metadata of an object: (dict "root" $ "name" "x" "component" "node" "labels" $more "annotations" $more). */}}
{{- define "rollcall.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "rollcall.labels" (dict "root" .root "component" .component "more" .labels) | nindent 2 }}
{{- with merge (deepCopy (.annotations | default dict)) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The name of an image: (dict "root" $ "image" .Values.image). */}}
{{- define "rollcall.image" -}}
{{- $registry := default .image.registry .root.Values.global.imageRegistry -}}
{{- with $registry }}{{ . }}/{{ end }}{{ .image.repository -}}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ default .root.Chart.AppVersion .image.tag }}{{ end -}}
{{- end -}}

{{- define "rollcall.pullSecrets" -}}
{{- with .Values.global.imagePullSecrets -}}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end -}}
{{- end -}}

{{- define "rollcall.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "rollcall.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* An address that listens on all interfaces of the family. */}}
{{- define "rollcall.any" -}}
{{- if eq .Values.ipFamily "IPv6" }}[::]{{ else }}0.0.0.0{{ end -}}
{{- end -}}

{{- define "rollcall.scheme" -}}
{{- if .Values.tls.enabled }}https{{ else }}http{{ end -}}
{{- end -}}

{{/* Where clients in the cluster reach the nodes. */}}
{{- define "rollcall.url" -}}
{{ include "rollcall.scheme" . }}://{{ include "rollcall.fullname" . }}:{{ .Values.service.port }}
{{- end -}}

{{- define "rollcall.tlsSecret" -}}
{{- if .Values.tls.existingSecret -}}
{{- .Values.tls.existingSecret -}}
{{- else if .Values.tls.certManager.enabled -}}
{{- include "rollcall.fullname" . }}-tls
{{- else -}}
{{- fail "tls.enabled needs tls.existingSecret or tls.certManager.enabled" -}}
{{- end -}}
{{- end -}}

{{/* The secret with the certificate that the chart's own clients show; empty when nodes ask for none. */}}
{{- define "rollcall.clientSecret" -}}
{{- if and .Values.tls.enabled .Values.tls.clientCAKey -}}
{{- if .Values.tls.clientSecret -}}
{{- .Values.tls.clientSecret -}}
{{- else if .Values.tls.certManager.enabled -}}
{{- include "rollcall.fullname" . }}-client
{{- else -}}
{{- fail "tls.clientCAKey needs tls.clientSecret or tls.certManager.enabled for the balancer, backups and helm test" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The files of the chart's own clients, as lbsync.yaml and the flags name them: cacert, cert and key. */}}
{{- define "rollcall.clientFiles" -}}
{{- if and .Values.tls.enabled .Values.tls.caKey }}
cacert: /tls/ca.crt
{{- end }}
{{- if include "rollcall.clientSecret" . }}
cert: /tls/tls.crt
key: /tls/tls.key
{{- end }}
{{- end -}}

{{/* The endpoint and the files as arguments of the commands. */}}
{{- define "rollcall.clientArgs" -}}
- --endpoints={{ include "rollcall.url" . }}
{{- range $name, $path := include "rollcall.clientFiles" . | fromYaml }}
- --{{ $name }}={{ $path }}
{{- end }}
{{- end -}}

{{/* The volume with these files, none when there are none. The key of the nodes is not among them. */}}
{{- define "rollcall.clientVolume" -}}
{{- if include "rollcall.clientFiles" . | trim }}
- name: tls
  projected:
    defaultMode: 288
    sources:
      {{- with .Values.tls.caKey }}
      - secret:
          name: {{ include "rollcall.tlsSecret" $ }}
          items: [{key: {{ . }}, path: ca.crt}]
      {{- end }}
      {{- with include "rollcall.clientSecret" . }}
      - secret:
          name: {{ . }}
          items: [{key: {{ $.Values.tls.certKey }}, path: tls.crt}, {key: {{ $.Values.tls.keyKey }}, path: tls.key}]
      {{- end }}
{{- end }}
{{- end -}}

{{- define "rollcall.clientMount" -}}
{{- if include "rollcall.clientFiles" . | trim }}
- {name: tls, mountPath: /tls, readOnly: true}
{{- end }}
{{- end -}}

{{/*
A probe of a node: (dict "root" $ "path" "/livez" "timing" .Values.probes.liveness). A node asks for no certificate there.
*/}}
{{- define "rollcall.probe" -}}
httpGet:
  path: {{ .path }}
  port: client
  scheme: {{ include "rollcall.scheme" .root | upper }}
{{ toYaml .timing }}
{{- end -}}
