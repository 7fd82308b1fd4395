//go:build linux

package main

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"rollcall/lbsync"
)

// The commands of the README, in their order, do what it says. They run in a copy of the checkout with a network of
// its own, so that its ports are free and nothing is left over.
func TestReadme(t *testing.T) {
	t.Parallel()
	d := openDocument(t, "README.md")
	place := newWorkplace(t, true)
	one, two := place.open(), place.open()

	// What runs until Ctrl-C, or runs this test, is only looked for: TestDemo runs the demo.
	for _, words := range []string{"make run\n", "make test\n"} {
		isTarget(t, place.root, d.sh(words))
	}

	alone := d.sh("make build\nbin/registry serve ")
	one.begin(alone)
	one.waitFor(alone, one.errs.String, "node is up")
	if got := frontends(t, two.run(d.sh("curl "))); got != "fe1=10.0.1.1 fe2=10.0.1.2" {
		t.Errorf("listed: %s", got)
	}
	if got := frontends(t, two.run(d.sh("curl "))); got != "fe1=10.0.1.1" {
		t.Errorf("after the lease's end: %s", got)
	}
	follow := d.sh("curl -LN ")
	three := place.open()
	three.begin(follow)
	two.run(docBlock{where: follow.where, text: "until curl -sS http://127.0.0.1:4001/metrics | grep -q '^rollcall_watchers 1$'; do sleep 0.1; done\n" +
		curlPut("fe3", "10.0.1.3 -d ttl=60") + curlPut("fe3", "10.0.1.3 -d ttl=60") + curlPut("fe1", "10.0.1.9")})
	three.waitFor(follow, three.printed, `"value":"10.0.1.9"`)
	if got := three.interrupt(follow); strings.Count(got, `"action"`) != 2 {
		t.Errorf("the stream has not just the two changes, without the heartbeat between them: %s", got)
	}
	one.interrupt(alone)

	if got := two.run(d.sh("mkdir -p dot\n")); members(got) != "a b c" {
		t.Logf("later than the README says: %s", got) // Not so on a machine that does only that.
	}
	ready := docBlock{where: "three nodes", text: `for port in 4001 4002 4003; do
	until curl -sS http://127.0.0.1:$port/readyz | grep -qx ok && [ $(bin/registry members | wc -l) = 4 ]; do sleep 0.2; done
done
bin/registry members`}
	if got := two.run(ready); members(got) != "a b c" {
		t.Errorf("members: %s", got)
	}
	if got := frontends(t, two.run(d.sh("curl "))); got != "fe1=10.0.1.1 fe2=10.0.1.2" {
		t.Errorf("without the node that took it: %s", got)
	}

	// The balancers of the example are those of a whole machine: what would be done to them is only printed.
	example := d.take("yaml", "endpoints:")
	if _, err := lbsync.ParseConfig(example.where, []byte(example.text)); err != nil {
		t.Error(err)
	}
	got := place.open().run(docBlock{where: example.where, text: "bin/registry serve 2>/dev/null &\ncat >lbsync.yaml <<'END'\n" + example.text + "END\n" +
		"until " + curlPut("fe1", "10.0.1.1") + "do sleep 0.1; done\nbin/registry lbsync --config lbsync.yaml --dry-run\nkill %%\n"})
	for _, want := range []string{"/etc/haproxy/haproxy.cfg", "/etc/nginx/conf.d/frontends.conf", "10.0.1.1:8080"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s: no %s in what lbsync would do:\n%s", example.where, want, got)
		}
	}
}

func curlPut(name, value string) string {
	return "curl -fsS http://127.0.0.1:4001/v2/keys/frontends/" + name + " -XPUT -d value=" + value + "\n"
}

// isTarget checks that a block calls one target of the Makefile.
func isTarget(t *testing.T, root string, b docBlock) {
	t.Helper()
	target, ok := strings.CutPrefix(strings.TrimSpace(b.text), "make ")
	if !ok || strings.ContainsAny(target, " \n") {
		t.Fatalf("%s: %s", b.where, b.text)
	}
	if out, err := exec.CommandContext(t.Context(), "make", "-C", root, "--dry-run", target).CombinedOutput(); err != nil {
		t.Errorf("%s: %s", b.where, out)
	}
}

// frontends is the entries of the last listing that curl has printed.
func frontends(t *testing.T, printed string) string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(printed), "\n")
	var listing struct {
		Node struct {
			Nodes []struct{ Key, Value string }
		}
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &listing); err != nil {
		t.Fatalf("%v: %s", err, printed)
	}
	var all []string
	for _, n := range listing.Node.Nodes {
		all = append(all, strings.TrimPrefix(n.Key, "/frontends/")+"="+n.Value)
	}
	return strings.Join(all, " ")
}

// members is the names that "registry members" has printed.
func members(printed string) string {
	var names []string
	for line := range strings.Lines(printed) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] != "NAME" {
			names = append(names, fields[0])
		}
	}
	return strings.Join(names, " ")
}
