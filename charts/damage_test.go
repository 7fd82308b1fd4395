package charts_test

import (
	"slices"
	"strings"
	"testing"
)

// damage breaks one thing in a release that is right.
type damage struct {
	name, want string
	do         func(all []object)
}

// wantNoticed wants that the rules find each damage of a value set.
func wantNoticed(t *testing.T, set string, damages []damage) {
	t.Helper()
	for _, d := range damages {
		all := objects(t, mustRender(t, set))
		d.do(all)
		found := findings(all, existing)
		if !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, d.want) }) {
			t.Errorf("%s: found %q, want one with %q", d.name, found, d.want)
		}
	}
}

// The rules notice what they are there for.
func TestPoliciesNotice(t *testing.T) {
	workload := func(all []object) map[string]any {
		for _, o := range all {
			if o.kind() == "StatefulSet" {
				return o
			}
		}
		return nil
	}
	pod := func(all []object) map[string]any {
		return at[map[string]any](workload(all), "spec", "template", "spec")
	}
	container := func(all []object) map[string]any { return list(pod(all), "containers")[0] }
	security := func(all []object) map[string]any { return at[map[string]any](container(all), "securityContext") }
	service := func(all []object) map[string]any {
		return (&policy{all: all}).named("Service", release+"-rollcall-headless")
	}
	wantNoticed(t, "balancer", []damage{
		{"root", "may run as root", func(all []object) { delete(at[map[string]any](pod(all), "securityContext"), "runAsNonRoot") }},
		{"user", "runs as 0", func(all []object) { security(all)["runAsUser"] = 0.0 }},
		{"seccomp", "no seccomp", func(all []object) { delete(at[map[string]any](pod(all), "securityContext"), "seccompProfile") }},
		{"root file system", "may write to its root", func(all []object) { security(all)["readOnlyRootFilesystem"] = false }},
		{"escalation", "may escalate", func(all []object) { delete(security(all), "allowPrivilegeEscalation") }},
		{"privileged", "is privileged", func(all []object) { security(all)["privileged"] = true }},
		{"capabilities", "keeps capabilities", func(all []object) { security(all)["capabilities"] = map[string]any{"drop": []any{"NET_RAW"}} }},
		{"limits", "no limits of memory", func(all []object) { delete(at[map[string]any](container(all), "resources", "limits"), "memory") }},
		{"image", `has the image "rollcall"`, func(all []object) { container(all)["image"] = "rollcall" }},
		{"readiness", "no readinessProbe", func(all []object) { delete(container(all), "readinessProbe") }},
		{"liveness by peers", "asks for readiness", func(all []object) {
			at[map[string]any](container(all), "livenessProbe", "httpGet")["path"] = "/readyz"
		}},
		{"probe's port", "which it has not", func(all []object) {
			at[map[string]any](container(all), "startupProbe", "httpGet")["port"] = "http"
		}},
		{"preStop", "no preStop", func(all []object) { delete(container(all), "lifecycle") }},
		{"time to stop", "s to stop", func(all []object) { pod(all)["terminationGracePeriodSeconds"] = 12.0 }},
		{"token", "automountServiceAccountToken is not false", func(all []object) { delete(pod(all), "automountServiceAccountToken") }},
		{"host network", "hostNetwork", func(all []object) { pod(all)["hostNetwork"] = true }},
		{"account", "no service account", func(all []object) { pod(all)["serviceAccountName"] = "other" }},
		{"volume", "which is no volume", func(all []object) { list(container(all), "volumeMounts")[0]["name"] = "other" }},
		{"secret", "no Secret other", func(all []object) {
			pod(all)["volumes"] = []any{map[string]any{"name": "data", "secret": map[string]any{"secretName": "other"}}}
		}},
		{"config map in the environment", "no ConfigMap other", func(all []object) {
			container(all)["envFrom"] = []any{map[string]any{"configMapRef": map[string]any{"name": "other"}}}
		}},
		{"host path", "path of the machine", func(all []object) {
			pod(all)["volumes"] = []any{map[string]any{"name": "data", "hostPath": map[string]any{"path": "/"}}}
		}},
		{"spread", "nothing spreads", func(all []object) { delete(pod(all), "topologySpreadConstraints") }},
		{"selector", "does not match the labels of its pods", func(all []object) {
			at[map[string]any](workload(all), "spec", "selector", "matchLabels")["app.kubernetes.io/name"] = "other"
		}},
		{"service", "matches 0 kinds of pods", func(all []object) {
			at[map[string]any](service(all), "spec", "selector")["app.kubernetes.io/name"] = "other"
		}},
		{"service's port", "is none of its pods", func(all []object) { list(service(all), "spec", "ports")[0]["targetPort"] = "http" }},
		{"UDP", "not there for TCP and UDP", func(all []object) { list(service(all), "spec", "ports")[2]["protocol"] = "TCP" }},
		{"not ready", "hides nodes", func(all []object) { delete(at[map[string]any](service(all), "spec"), "publishNotReadyAddresses") }},
		{"ordered", "in parallel", func(all []object) { delete(at[map[string]any](workload(all), "spec"), "podManagementPolicy") }},
		{"labels", "no label helm.sh/chart", func(all []object) { delete(at[map[string]any](workload(all), "metadata", "labels"), "helm.sh/chart") }},
		{"open to all", "lets everybody in", func(all []object) {
			delete(list((&policy{all: all}).named("NetworkPolicy", release+"-rollcall"), "spec", "ingress")[0], "from")
		}},
		{"policy's port", `no port "web"`, func(all []object) {
			list(list((&policy{all: all}).named("NetworkPolicy", release+"-rollcall"), "spec", "ingress")[0], "ports")[0]["port"] = "web"
		}},
		{"monitor", "selects 2 services", func(all []object) {
			delete(at[map[string]any]((&policy{all: all}).named("ServiceMonitor", release+"-rollcall"), "spec", "selector", "matchLabels"), "rollcall-scrape")
		}},
	})
}

// So do those for backups, and for what shows a certificate to the nodes.
func TestPoliciesNoticeClients(t *testing.T) {
	cron := func(all []object) map[string]any {
		return (&policy{all: all}).named("CronJob", release+"-rollcall-backup")
	}
	cronPod := func(all []object) map[string]any { return at[map[string]any](podOf(cron(all)), "spec") }
	clientSecrets := func(all []object) []map[string]any {
		return list(list(cronPod(all), "volumes")[1], "projected", "sources")
	}
	wantNoticed(t, "tls", []damage{
		{"backup as root", "backup may escalate", func(all []object) {
			delete(at[map[string]any](list(cronPod(all), "containers")[0], "securityContext"), "allowPrivilegeEscalation")
		}},
		{"backup's token", "CronJob rc-rollcall-backup: automountServiceAccountToken is not false", func(all []object) {
			delete(cronPod(all), "automountServiceAccountToken")
		}},
		{"two backups", "two may run at a time", func(all []object) { delete(at[map[string]any](cron(all), "spec"), "concurrencyPolicy") }},
		{"endless backup", "may run for ever", func(all []object) {
			delete(at[map[string]any](cron(all), "spec", "jobTemplate", "spec"), "activeDeadlineSeconds")
		}},
		{"backup that is lost", "ends with the pod", func(all []object) {
			volume := list(cronPod(all), "volumes")[0]
			delete(volume, "persistentVolumeClaim")
			volume["emptyDir"] = map[string]any{}
		}},
		{"backup's claim", "no PersistentVolumeClaim other", func(all []object) {
			at[map[string]any](list(cronPod(all), "volumes")[0], "persistentVolumeClaim")["claimName"] = "other"
		}},
		{"backup's way", "matches 0 kinds of pods", func(all []object) {
			at[map[string]any](podOf(cron(all)), "metadata", "labels")["app.kubernetes.io/component"] = "other"
		}},
		{"client's secret", "no Secret other", func(all []object) {
			at[map[string]any](clientSecrets(all)[1], "secret")["name"] = "other"
		}},
		{"all of a secret", "has all of the secret", func(all []object) {
			delete(at[map[string]any](clientSecrets(all)[0], "secret"), "items")
		}},
		{"key of the nodes", "has the key of the nodes", func(all []object) {
			list(clientSecrets(all)[0], "secret", "items")[0]["key"] = "tls.key"
		}},
	})
}
