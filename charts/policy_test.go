package charts_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// stopSeconds is what a node takes to stop at most: six seconds for requests, two to tell the others, and some.
const stopSeconds = 10

// findings says which rules the objects of a release break. Secrets that are made by others are declared by name.
func findings(all []object, declared []string) []string {
	var p policy
	p.all, p.declared = all, declared
	for _, o := range all {
		p.about = o.String()
		p.checkMetadata(o)
		switch o.kind() {
		case "StatefulSet":
			p.checkWorkload(o)
			p.checkStatefulSet(o)
		case "Deployment":
			p.checkWorkload(o)
		case "CronJob":
			p.checkCronJob(o)
		case "Pod":
			p.checkPod(at[map[string]any](o, "spec"), nil)
		case "Service":
			p.checkService(o)
		case "PodDisruptionBudget":
			p.wantPods(at[map[string]any](o, "spec", "selector", "matchLabels"), "selector")
		case "NetworkPolicy":
			p.checkNetworkPolicy(o)
		case "ServiceMonitor":
			p.checkServiceMonitor(o)
		}
	}
	return p.found
}

type policy struct {
	all      []object
	declared []string
	about    string
	found    []string
}

func (p *policy) add(format string, args ...any) {
	p.found = append(p.found, p.about+": "+fmt.Sprintf(format, args...))
}

func (p *policy) want(ok bool, format string, args ...any) {
	if !ok {
		p.add(format, args...)
	}
}

func (p *policy) checkMetadata(o object) {
	p.want(len(o.name()) <= 63, "the name is longer than 63 bytes")
	p.want(at[string](o, "metadata", "namespace") == namespace || strings.HasSuffix(o.name(), "-extra"), "no namespace")
	for _, label := range []string{"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "helm.sh/chart"} {
		p.want(at[string](o, "metadata", "labels", label) != "" || strings.HasSuffix(o.name(), "-extra"), "no label %s", label)
	}
}

func (p *policy) checkWorkload(o object) {
	selector := at[map[string]any](o, "spec", "selector", "matchLabels")
	labels := at[map[string]any](o, "spec", "template", "metadata", "labels")
	p.want(len(selector) > 0 && covers(labels, selector), "the selector does not match the labels of its pods")
	var claims []string
	for _, c := range list(o, "spec", "volumeClaimTemplates") {
		claims = append(claims, at[string](c, "metadata", "name"))
	}
	spec := at[map[string]any](o, "spec", "template", "spec")
	p.checkPod(spec, claims)
	for _, c := range list(spec, "containers") {
		p.checkLife(c, at[float64](spec, "terminationGracePeriodSeconds"))
	}
	p.want(len(list(spec, "topologySpreadConstraints")) > 0 || at[float64](o, "spec", "replicas") == 1, "nothing spreads its pods")
	for _, s := range list(spec, "topologySpreadConstraints") {
		p.wantPods(at[map[string]any](s, "labelSelector", "matchLabels"), "topology spread")
	}
}

func (p *policy) checkStatefulSet(o object) {
	p.want(at[string](o, "spec", "podManagementPolicy") == "Parallel", "nodes do not start in parallel")
	service := p.named("Service", at[string](o, "spec", "serviceName"))
	p.want(at[string](service, "spec", "clusterIP") == "None", "its service is not headless")
	p.want(at[bool](service, "spec", "publishNotReadyAddresses"), "its service hides nodes that are not ready")
	protocols := map[string]bool{}
	for _, port := range list(service, "spec", "ports") {
		if strings.HasPrefix(at[string](port, "name"), "gossip") {
			protocols[at[string](port, "protocol")] = true
		}
	}
	p.want(protocols["TCP"] && protocols["UDP"], "gossip is not there for TCP and UDP")
}

func (p *policy) checkCronJob(o object) {
	p.want(at[string](o, "spec", "concurrencyPolicy") == "Forbid", "two may run at a time")
	job := at[map[string]any](o, "spec", "jobTemplate", "spec")
	p.want(at[float64](job, "activeDeadlineSeconds") > 0, "a job may run for ever")
	spec := at[map[string]any](job, "template", "spec")
	p.checkPod(spec, nil)
	for _, v := range list(spec, "volumes") {
		p.want(v["emptyDir"] == nil, "volume %s ends with the pod", at[string](v, "name"))
	}
}

// podOf returns the template of a workload's pods, a pod itself, or nil.
func podOf(o object) map[string]any {
	switch o.kind() {
	case "Pod":
		return o
	case "CronJob":
		return at[map[string]any](o, "spec", "jobTemplate", "spec", "template")
	default:
		return at[map[string]any](o, "spec", "template")
	}
}

// checkSecrets wants that a volume's secrets are there, and that nobody but the nodes has their key.
func (p *policy) checkSecrets(v map[string]any) {
	p.checkReference("Secret", at[string](v, "secret", "secretName"))
	for _, source := range list(v, "projected", "sources") {
		name := at[string](source, "secret", "name")
		p.checkReference("Secret", name)
		items := list(source, "secret", "items")
		p.want(len(items) > 0, "volume %s has all of the secret %s", at[string](v, "name"), name)
		for _, item := range items {
			p.want(name != p.nodeSecret() || !strings.HasSuffix(at[string](item, "key"), ".key"), "volume %s has the key of the nodes", at[string](v, "name"))
		}
	}
}

// nodeSecret is the name of the secret with the nodes' certificate and key, empty without TLS.
func (p *policy) nodeSecret() string {
	for _, o := range p.all {
		if o.kind() != "StatefulSet" {
			continue
		}
		for _, v := range list(podOf(o), "spec", "volumes") {
			if v["name"] == "tls" {
				return at[string](v, "secret", "secretName")
			}
		}
	}
	return ""
}

// checkPod holds a pod against the restricted profile of Kubernetes, and some more.
func (p *policy) checkPod(spec map[string]any, claims []string) {
	for _, key := range []string{"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"} {
		p.want(!at[bool](spec, key), "%s", key)
	}
	for _, key := range []string{"automountServiceAccountToken", "enableServiceLinks"} {
		set, ok := spec[key].(bool)
		p.want(ok && !set, "%s is not false", key)
	}
	account := at[string](spec, "serviceAccountName")
	p.want(account == "default" || p.named("ServiceAccount", account) != nil, "no service account %q", account)
	volumes := map[string]bool{}
	for _, c := range claims {
		volumes[c] = false
	}
	for _, v := range list(spec, "volumes") {
		name := at[string](v, "name")
		volumes[name] = false
		p.want(v["hostPath"] == nil, "volume %s is a path of the machine", name)
		p.checkSecrets(v)
		p.checkReference("ConfigMap", at[string](v, "configMap", "name"))
		p.checkReference("PersistentVolumeClaim", at[string](v, "persistentVolumeClaim", "claimName"))
	}
	containers := slices.Concat(list(spec, "initContainers"), list(spec, "containers"))
	p.want(len(list(spec, "containers")) > 0, "no container")
	for _, c := range containers {
		p.checkContainer(c, at[map[string]any](spec, "securityContext"), volumes)
	}
	for name, used := range volumes {
		p.want(used, "volume %s is not mounted", name)
	}
}

func (p *policy) checkContainer(c, pod map[string]any, volumes map[string]bool) {
	name := at[string](c, "name")
	own := at[map[string]any](c, "securityContext")
	either := func(key string) any {
		if v, ok := own[key]; ok {
			return v
		}
		return pod[key]
	}
	p.want(either("runAsNonRoot") == true, "%s may run as root", name)
	user, _ := either("runAsUser").(float64)
	p.want(user == 65532, "%s runs as %v", name, user)
	profile, _ := either("seccompProfile").(map[string]any)
	p.want(profile["type"] == "RuntimeDefault", "%s has no seccomp profile", name)
	p.want(own["allowPrivilegeEscalation"] == false, "%s may escalate privileges", name)
	p.want(own["readOnlyRootFilesystem"] == true, "%s may write to its root file system", name)
	p.want(own["privileged"] != true, "%s is privileged", name)
	p.want(slices.Contains(at[[]any](own, "capabilities", "drop"), any("ALL")) && len(at[[]any](own, "capabilities", "add")) == 0, "%s keeps capabilities", name)
	for _, what := range []string{"requests", "limits"} {
		for _, resource := range []string{"cpu", "memory"} {
			p.want(at[any](c, "resources", what, resource) != nil, "%s has no %s of %s", name, what, resource)
		}
	}
	image := at[string](c, "image")
	p.want(imageName.MatchString(image) && !strings.HasSuffix(image, ":latest"), "%s has the image %q", name, image)
	for _, m := range list(c, "volumeMounts") {
		volume := at[string](m, "name")
		_, there := volumes[volume]
		p.want(there, "%s mounts %s, which is no volume", name, volume)
		volumes[volume] = true
	}
	for _, e := range list(c, "env") {
		p.checkReference("Secret", at[string](e, "valueFrom", "secretKeyRef", "name"))
		p.checkReference("ConfigMap", at[string](e, "valueFrom", "configMapKeyRef", "name"))
	}
	for _, e := range list(c, "envFrom") {
		p.checkReference("Secret", at[string](e, "secretRef", "name"))
		p.checkReference("ConfigMap", at[string](e, "configMapRef", "name"))
	}
}

// imageName has a tag or a digest.
var imageName = regexp.MustCompile(`^[-a-z0-9./:]+(:[-\w.]+|@sha256:[0-9a-f]{64})$`)

// checkLife looks at the probes and the end of a container that stays.
func (p *policy) checkLife(c map[string]any, grace float64) {
	name := at[string](c, "name")
	ports := map[string]bool{}
	for _, port := range list(c, "ports") {
		ports[at[string](port, "name")] = true
	}
	for _, kind := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
		probe := at[map[string]any](c, kind)
		p.want(probe != nil, "%s has no %s", name, kind)
		for _, by := range []string{"httpGet", "tcpSocket"} {
			if port := at[string](probe, by, "port"); probe[by] != nil {
				p.want(ports[port], "%s: %s asks port %q, which it has not", name, kind, port)
			}
		}
	}
	// A process that is well must never be killed because of others.
	live, _ := json.Marshal(c["livenessProbe"])
	p.want(!strings.Contains(string(live), "readyz"), "%s: the liveness probe asks for readiness", name)
	preStop := at[float64](c, "lifecycle", "preStop", "sleep", "seconds")
	for _, word := range at[[]any](c, "lifecycle", "preStop", "exec", "command") {
		for _, sleep := range sleeps.FindAllStringSubmatch(word.(string), -1) {
			var seconds float64
			_, _ = fmt.Sscan(sleep[1], &seconds)
			preStop += seconds
		}
	}
	p.want(preStop > 0, "%s has no preStop", name)
	p.want(grace >= preStop+stopSeconds, "%s has %v s to stop, and preStop takes %v", name, grace, preStop)
}

var sleeps = regexp.MustCompile(`sleep (\d+)`)

func (p *policy) checkService(o object) {
	selector := at[map[string]any](o, "spec", "selector")
	pods := p.wantPods(selector, "selector")
	for _, port := range list(o, "spec", "ports") {
		target := at[string](port, "targetPort")
		p.want(hasPort(pods, target, at[string](port, "protocol")), "port %q is none of its pods", target)
	}
}

func (p *policy) checkNetworkPolicy(o object) {
	own := p.wantPods(at[map[string]any](o, "spec", "podSelector", "matchLabels"), "podSelector")
	for _, way := range []struct{ rules, peers string }{{"ingress", "from"}, {"egress", "to"}} {
		for _, rule := range list(o, "spec", way.rules) {
			pods := own
			peers := list(rule, way.peers)
			p.want(len(peers) > 0 || way.rules == "egress", "a rule lets everybody in")
			for _, peer := range peers {
				if labels := at[map[string]any](peer, "podSelector", "matchLabels"); labels != nil {
					selected := p.wantPods(labels, "peer")
					if way.rules == "egress" {
						pods = selected
					}
				}
			}
			for _, port := range list(rule, "ports") {
				if name := at[string](port, "port"); name != "" {
					p.want(hasPort(pods, name, at[string](port, "protocol")), "%s: no port %q", way.rules, name)
				}
			}
		}
	}
}

func (p *policy) checkServiceMonitor(o object) {
	selector := at[map[string]any](o, "spec", "selector", "matchLabels")
	n := 0
	for _, s := range p.all {
		if s.kind() != "Service" || !covers(at[map[string]any](s, "metadata", "labels"), selector) {
			continue
		}
		n++
		for _, e := range list(o, "spec", "endpoints") {
			p.want(slices.ContainsFunc(list(s, "spec", "ports"), func(port map[string]any) bool { return port["name"] == e["port"] }),
				"no port %v in %v", e["port"], s)
		}
	}
	p.want(n == 1, "selects %d services; with two each node is scraped twice", n)
}

// wantPods returns the pods that labels select, of which there must be some.
func (p *policy) wantPods(selector map[string]any, what string) []map[string]any {
	var pods []map[string]any
	for _, o := range p.all {
		pod := podOf(o)
		if pod != nil && covers(at[map[string]any](pod, "metadata", "labels"), selector) {
			pods = append(pods, pod)
		}
	}
	p.want(len(selector) > 0 && len(pods) == 1, "the %s %v matches %d kinds of pods", what, selector, len(pods))
	return pods
}

// checkReference wants what a pod needs to be there.
func (p *policy) checkReference(kind, name string) {
	p.want(name == "" || p.named(kind, name) != nil || (kind == "Secret" || kind == "PersistentVolumeClaim") && slices.Contains(p.declared, name), "no %s %s", kind, name)
}

func (p *policy) named(kind, name string) object {
	for _, o := range p.all {
		if o.kind() == kind && o.name() == name {
			return o
		}
		if kind == "Secret" && o.kind() == "Certificate" && at[string](o, "spec", "secretName") == name {
			return o
		}
	}
	return nil
}

// hasPort tells whether pods have a port of that name or number.
func hasPort(pods []map[string]any, name, protocol string) bool {
	for _, pod := range pods {
		for _, c := range list(pod, "spec", "containers") {
			for _, port := range list(c, "ports") {
				if port["name"] == name && port["protocol"] == protocol {
					return true
				}
			}
		}
	}
	return false
}

func covers(labels, selector map[string]any) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return len(selector) > 0
}

// existing are the secrets and claims that the value sets say are there.
var existing = []string{"rollcall-gossip", "rollcall-certificate", "rollcall-backups"}

func TestPolicies(t *testing.T) {
	for _, set := range valueSets(t) {
		for _, f := range findings(objects(t, mustRender(t, set)), existing) {
			t.Errorf("%s: %s", set, f)
		}
	}
}

// An upgrade cannot change what selects pods, so no label that changes may be among them.
func TestSelectorsStay(t *testing.T) {
	text, err := render(t, "balancer", "commonLabels.team=edge", "podLabels.tier=x", "balancer.podLabels.tier=x")
	if err != nil {
		t.Fatal(err)
	}
	selectors := func(text string) map[string]string {
		all := map[string]string{}
		for _, o := range objects(t, text) {
			if s := at[map[string]any](o, "spec", "selector", "matchLabels"); s != nil && o.kind() != "ServiceMonitor" {
				all[o.String()] = fmt.Sprint(s)
			}
		}
		return all
	}
	before, after := selectors(mustRender(t, "balancer")), selectors(text)
	if len(before) < 4 || !maps.Equal(before, after) {
		t.Errorf("selectors were\n%v\nand are\n%v", before, after)
	}
}
