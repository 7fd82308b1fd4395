// Package charts_test checks the Helm chart: what it renders against golden files, the schemas of Kubernetes and the rules
// that its pods keep; its alerts with promtool; its values against their schema and description; and that what it starts
// works, with the real programs. After a change of the chart: make chart CHARTFLAGS=-update.
package charts_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files and the chart's README anew")

const (
	chartDir    = "rollcall"
	release     = "rc"
	namespace   = "ns"
	kubeVersion = "1.30" // the oldest that Chart.yaml allows; its schemas are at hand
)

// pinnedInMakefile returns what the Makefile pins under a name.
func pinnedInMakefile(name string) (string, error) {
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		return "", err
	}
	found := regexp.MustCompile(`(?m)^` + name + ` := (\S+)$`).FindSubmatch(makefile)
	if found == nil {
		return "", fmt.Errorf("the Makefile has no %s", name)
	}
	return string(found[1]), nil
}

func pinned(t *testing.T, name string) string {
	t.Helper()
	value, err := pinnedInMakefile(name)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

var helmOnce = sync.OnceValues(func() (string, error) {
	version, err := pinnedInMakefile("HELM_VERSION")
	if err != nil {
		return "", err
	}
	dir, err := filepath.Abs("../.cache/helm-" + version)
	if err != nil {
		return "", err
	}
	// It is there after "make chart-tools", and nothing is done then.
	program := filepath.Join(dir, "helm")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	cmd := exec.Command("go", "install", "-ldflags=-s -w", "helm.sh/helm/v3/cmd/helm@"+version)
	cmd.Env = append(os.Environ(), "GOBIN="+dir, "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return program, nil
})

// helm runs helm in its own empty home.
func helm(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	program, err := helmOnce()
	if err != nil {
		t.Fatalf("helm cannot be built: %v", err)
	}
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home, "KUBECONFIG="+filepath.Join(home, "none"))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// valueSets returns the names of the files in ci/, without "-values.yaml".
func valueSets(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(chartDir, "ci", "*-values.yaml"))
	if err != nil || len(paths) < 6 {
		t.Fatalf("value sets %v, error %v; want six at least", paths, err)
	}
	var names []string
	for _, p := range paths {
		names = append(names, strings.TrimSuffix(filepath.Base(p), "-values.yaml"))
	}
	return names
}

func valuesFile(set string) string { return filepath.Join(chartDir, "ci", set+"-values.yaml") }

// render returns what helm makes of a value set and more settings, each KEY=VALUE.
func render(t *testing.T, set string, settings ...string) (string, error) {
	t.Helper()
	args := []string{"template", release, chartDir, "--namespace", namespace, "--kube-version", kubeVersion, "--values", valuesFile(set)}
	for _, s := range settings {
		args = append(args, "--set", s)
	}
	stdout, stderr, err := helm(t, args...)
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, stderr)
	}
	return stdout, nil
}

var rendered sync.Map // of value sets, string to string

func mustRender(t *testing.T, set string) string {
	t.Helper()
	if text, ok := rendered.Load(set); ok {
		return text.(string)
	}
	text, err := render(t, set)
	if err != nil {
		t.Fatal(err)
	}
	rendered.Store(set, text)
	return text
}

// object is one manifest. Numbers are as JSON has them.
type object map[string]any

func (o object) kind() string { return at[string](o, "kind") }
func (o object) name() string { return at[string](o, "metadata", "name") }
func (o object) String() string {
	return o.kind() + " " + o.name()
}

// at returns what is at a path, or the zero value.
func at[T any](from map[string]any, path ...string) T {
	var none T
	var here any = from
	for _, p := range path {
		m, ok := here.(map[string]any)
		if !ok {
			return none
		}
		here = m[p]
	}
	found, ok := here.(T)
	if !ok {
		return none
	}
	return found
}

// list returns the maps in the list at a path.
func list(from map[string]any, path ...string) []map[string]any {
	var all []map[string]any
	for _, v := range at[[]any](from, path...) {
		if m, ok := v.(map[string]any); ok {
			all = append(all, m)
		}
	}
	return all
}

// objects takes rendered text apart.
func objects(t *testing.T, text string) []object {
	t.Helper()
	var all []object
	for part := range strings.SplitSeq("\n"+text, "\n---") {
		asJSON, err := yaml.YAMLToJSON([]byte(part + "\n")) // A literal at the end keeps its line feed.
		if err != nil {
			t.Fatalf("%v in:\n%s", err, part)
		}
		var o object
		if err := json.Unmarshal(asJSON, &o); err != nil {
			t.Fatalf("%v in:\n%s", err, part)
		}
		if len(o) > 0 {
			all = append(all, o)
		}
	}
	if len(all) == 0 {
		t.Fatal("nothing was rendered")
	}
	return all
}

// find returns the one object of a kind and name.
func find(t *testing.T, all []object, kind, name string) object {
	t.Helper()
	for _, o := range all {
		if o.kind() == kind && o.name() == name {
			return o
		}
	}
	t.Fatalf("no %s %s among %v", kind, name, all)
	return nil
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// golden compares a text with a file, or writes it.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(string(readFile(t, path)), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s is not as it was (make chart CHARTFLAGS=-update), -old +new:\n%s", path, diff)
	}
}

// Dashboards are left out of the golden files, since they are long and have a test of their own.
var dashboardText = regexp.MustCompile(`(?m)^(  [-a-z]+\.json: \|\n)(    .*\n|\n)+`)

func TestGolden(t *testing.T) {
	for _, set := range valueSets(t) {
		t.Run(set, func(t *testing.T) {
			text := dashboardText.ReplaceAllString(mustRender(t, set), "$1    {}\n")
			golden(t, filepath.Join("testdata", "golden", set+".yaml"), text)
		})
	}
}

func TestLint(t *testing.T) {
	for _, set := range valueSets(t) {
		if stdout, stderr, err := helm(t, "lint", "--strict", chartDir, "--values", valuesFile(set)); err != nil {
			t.Errorf("%s: %v\n%s%s", set, err, stdout, stderr)
		}
	}
}

// What cannot work is refused with a sentence, before anything is installed.
func TestRefusals(t *testing.T) {
	for _, c := range []struct{ setting, want string }{
		{"tls.enabled=true", "needs tls.existingSecret or tls.certManager.enabled"},
		{"balancer.enabled=true,balancer.defaultService=other", "is none of balancer.services"},
		{"tls.enabled=true,tls.existingSecret=x,tls.clientCAKey=ca.crt", "tls.clientCAKey needs tls.clientSecret or tls.certManager.enabled"},
		{"balancer.enabled=true,balancer.lbsync.extraConfig.listen_tls.cert=x", "listen_tls does not go with the chart"},
		{"limits.entry=5", "additional properties 'entry' not allowed"},
		{"limits.depth=200", "maximum"},
		{"limits.key=0", "minimum"},
		{"backup.enabled=true,backup.schedule=daily", "does not match pattern"},
		{"backup.keep=0", "minimum"},
		{"tls.certManager.enabled=true", "missing property 'name'"},
		{"replicas=3", "additional properties 'replicas' not allowed"},
		{"gossip.secret=x", "additional properties 'secret' not allowed"},
		{"replicaCount=0", "minimum"},
		{"image.digest=sha256:1", "does not match pattern"},
		{"networkPolicy.clients[0].pods=x", "additional properties 'pods' not allowed"},
		{"ipFamily=IPv5", "must be one of"},
	} {
		text, err := render(t, "default", strings.Split(c.setting, ",")...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, %d bytes; want an error with %q", c.setting, err, len(text), c.want)
		}
	}
	_, stderr, err := helm(t, "template", release, chartDir, "--kube-version", "1.29")
	if err == nil || !strings.Contains(stderr, "incompatible") {
		t.Errorf("Kubernetes 1.29: error %v, %s", err, stderr)
	}
}

func TestDashboards(t *testing.T) {
	all := objects(t, mustRender(t, "monitoring"))
	paths, err := filepath.Glob(filepath.Join(chartDir, "dashboards", "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("dashboards %v, error %v", paths, err)
	}
	uids := map[string]string{}
	for _, path := range paths {
		file := filepath.Base(path)
		o := find(t, all, "ConfigMap", release+"-rollcall-"+strings.TrimSuffix(file, ".json"))
		if at[string](o, "metadata", "labels", "grafana_dashboard") != "1" {
			t.Errorf("%s: %v has no label grafana_dashboard", file, o)
		}
		var fromChart, fromFile map[string]any
		if err := errors.Join(
			json.Unmarshal([]byte(at[string](o, "data", file)), &fromChart),
			json.Unmarshal(readFile(t, path), &fromFile)); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if diff := cmp.Diff(fromFile, fromChart); diff != "" {
			t.Errorf("%s is not what the chart ships:\n%s", file, diff)
		}
		uid := at[string](fromFile, "uid")
		if other := uids[uid]; uid == "" || other != "" {
			t.Errorf("%s: uid %q, which %q has, too", file, uid, other)
		}
		uids[uid] = file
		exprs := expressions(fromFile)
		if len(exprs) < 10 {
			t.Errorf("%s asks for %d things only", file, len(exprs))
		}
		parsePromQL(t, exprs)
		for _, v := range list(fromFile, "templating", "list") {
			if query, ok := v["query"].(map[string]any); ok {
				exprs = append(exprs, at[string](query, "query"))
			}
		}
		for _, expr := range exprs {
			for _, problem := range unknownSeries(t, expr) {
				t.Errorf("%s: %s in %s", file, problem, expr)
			}
		}
	}
}

// parsePromQL has promtool read expressions, with something in the place of variables.
func parsePromQL(t *testing.T, exprs []string) {
	t.Helper()
	var rules strings.Builder
	rules.WriteString("groups:\n  - name: dashboards\n    rules:\n")
	for i, expr := range exprs {
		fmt.Fprintf(&rules, "      - {record: 'panel:%d', expr: %q}\n", i, strings.ReplaceAll(expr, "$__rate_interval", "2m"))
	}
	path := filepath.Join(t.TempDir(), "rules.yaml")
	writeFile(t, path, rules.String())
	if out, err := promtool(t, "check", "rules", path); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// expressions returns all PromQL of a dashboard.
func expressions(v any) []string {
	var all []string
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if text, ok := value.(string); ok && key == "expr" {
				all = append(all, text)
				continue
			}
			all = append(all, expressions(value)...)
		}
	case []any:
		for _, value := range v {
			all = append(all, expressions(value)...)
		}
	}
	return all
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What helm prints after an installation has the line that registers a host, and says what is not safe.
func TestNotes(t *testing.T) {
	extra := filepath.Join(t.TempDir(), "notes.yaml")
	writeFile(t, extra, `extraObjects:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: notes}, data: {notes: '{{ include "rollcall/templates/NOTES.txt" . | b64enc }}'}}
`)
	for _, c := range []struct{ set, want, not string }{
		{"default", "curl -L http://127.0.0.1:4001/v2/keys/frontends/fe1 -XPUT -d value=10.0.1.1", "HAProxy"},
		{"default", "Gossip is NOT encrypted", "There is no network policy"},
		{"ha", "5 node(s) of Rollcall", "Gossip is NOT encrypted"},
		{"monitoring", "curl -L --insecure https://127.0.0.1:4001/v2/keys/frontends/fe1", "http://"},
		{"monitoring", "Check it", "certificate"},
		{"tls", "curl -L --insecure --cert client.pem --key client.key https://127.0.0.1:4001/v2/keys/frontends/fe1", "http://127.0.0.1"},
		{"tls", "Nodes want a certificate of each client", "registry backup"},
		{"backup", "Backups are made by the CronJob rc-rollcall-backup (*/30 * * * *), 7 are kept in the claim rollcall-backups.", "HAProxy"},
		{"balancer", "HAProxy serves api, frontends at", "There is no network policy"},
		{"minimal", "There is no network policy", "HAProxy"},
	} {
		stdout, stderr, err := helm(t, "template", release, chartDir, "--namespace", namespace, "--kube-version", kubeVersion,
			"--values", valuesFile(c.set), "--values", extra)
		if err != nil {
			t.Fatalf("%s: %v: %s", c.set, err, stderr)
		}
		notes, err := base64.StdEncoding.DecodeString(at[string](find(t, objects(t, stdout), "ConfigMap", "notes"), "data", "notes"))
		if err != nil {
			t.Fatal(err)
		}
		if text := string(notes); !strings.Contains(text, c.want) || strings.Contains(text, c.not) {
			t.Errorf("%s: want %q and not %q in:\n%s", c.set, c.want, c.not, text)
		}
	}
}
