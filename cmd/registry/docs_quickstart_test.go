//go:build linux

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/lbsync/lbtest"
)

// quickstart is docs/quickstart.md on its way over three machines.
type quickstart struct {
	*document
	machines map[string]*machine
	latest   []string // the machines of the latest block
}

// The commands of docs/quickstart.md, in their order and on the machines that it names, do what it says. The machines
// have a network and a systemd of their own; the only thing that is not real is ssh.
func TestQuickstart(t *testing.T) {
	t.Parallel()
	q := &quickstart{document: openDocument(t, "docs/quickstart.md"), machines: newMachines(t, 4)}
	vm1 := q.machines["vm1"]
	q.build()
	q.install()

	q.run("addr=$(hostname -I")
	q.prints("registry members\n")
	q.reaches("vm4", true)
	q.run("nft -f - ")
	q.reaches("vm4", false)
	q.reaches("vm3", true)

	q.run("rm -f /etc/nginx/sites-enabled/default\n")
	if got := q.run("curl http://10.0.0.2:4001/v2/keys/frontends/vm1 "); !strings.Contains(got, `"action":"set"`) {
		t.Errorf("registered by hand: %s", got)
	}
	q.run("addr=$(hostname -I")
	q.eventually("vm2", "registry ls /frontends", "/frontends/vm1\n/frontends/vm2\n/frontends/vm3\n")
	q.prints("registry ls /frontends\n")

	q.hostFails("vm2")
	if got := q.run("cat >/etc/rollcall/lbsync.yaml "); !strings.Contains(got, "10.0.0.2:8080") {
		t.Errorf("lbsync would do: %s", got)
	}
	q.prints("registry applied /frontends/vm1 --quiet\n")

	q.run("registry set /settings/motd welcome\n")
	q.eventually("vm2", "registry get /settings/motd || true", "welcome\n")
	vm1.loses(q.on("systemctl poweroff --force --force\n", "vm1"))
	begin := time.Now()
	if got := q.run("registry get /settings/motd\n"); got != "welcome\n" {
		t.Errorf("without vm1: %s", got)
	}
	q.eventually("vm3", "registry members | grep vm1 || echo none", "none\n")
	q.prints("registry applied /frontends/vm1 --gone --quiet\n")
	t.Logf("vm1 was out after %v", time.Since(begin))
	vm1.press()
	vm1.waitBooted()
	if got := q.run("registry applied /frontends/vm1 --quiet\n"); !strings.HasSuffix(got, "\nwelcome\n") || members(got) != "vm3 vm1 vm2" {
		t.Errorf("with vm1 again: %s", got)
	}
}

// machineNames are the machines in the sentence before a block.
var machineNames = regexp.MustCompile(`\*\*(vm\d|all three|your machine)\*\*`)

// where returns the machines that a block is for: those that the paragraph before it names last, or those of the block
// before it when nothing stands between the two.
func (q *quickstart) where(b docBlock) []string {
	q.t.Helper()
	names := machineNames.FindAllStringSubmatch(b.before, -1)
	if b.before == "" {
		return q.latest
	}
	if len(names) == 0 {
		q.t.Fatalf("%s: nothing says on which machine:\n%s", b.where, b.text)
	}
	q.latest = []string{"vm1", "vm2", "vm3"}
	if last := names[len(names)-1][1]; last != "all three" {
		q.latest = []string{last}
	}
	return q.latest
}

// on takes a block that must be for one machine.
func (q *quickstart) on(words, name string) docBlock {
	q.t.Helper()
	b := q.sh(words)
	if got := q.where(b); !slices.Equal(got, []string{name}) {
		q.t.Fatalf("%s: for %v, not for %s", b.where, got, name)
	}
	return b
}

// run takes a block, runs it on its machines at the same time, and returns what it has printed on the last of them.
func (q *quickstart) run(words string) string {
	q.t.Helper()
	b := q.sh(words)
	return q.runBlock(b, q.where(b)...)
}

func (q *quickstart) runBlock(b docBlock, names ...string) string {
	q.t.Helper()
	for _, name := range names {
		q.machines[name].term.begin(b)
	}
	printed := ""
	for _, name := range names {
		printed = q.machines[name].term.end(b)
	}
	return printed
}

// prints runs a block and compares what it prints with the block of text behind it, line by line where the order is
// not chance.
func (q *quickstart) prints(words string) {
	q.t.Helper()
	got := q.run(words)
	want := q.take("text", "")
	if sortHellos(got) != sortHellos(want.text) {
		q.t.Errorf("%s: printed\n%swant\n%s", want.where, got, want.text)
	}
}

// sortHellos sorts the answers of the web servers, which come in any order, among themselves.
func sortHellos(text string) string {
	hello := regexp.MustCompile(`(?m)^hello .*$`)
	sorted := hello.FindAllString(text, -1)
	slices.Sort(sorted)
	return hello.ReplaceAllStringFunc(text, func(string) string {
		first := sorted[0]
		sorted = sorted[1:]
		return first
	})
}

// build makes the program in a copy of the checkout, and copies it to the machines.
func (q *quickstart) build() {
	q.t.Helper()
	b := q.sh("make build\n")
	if got := q.where(b); !slices.Equal(got, []string{"your machine"}) {
		q.t.Fatalf("%s: for %v", b.where, got)
	}
	dir := q.t.TempDir()
	scp := "#!/bin/sh\nfor to; do :; done\nto=${to#root@}\nto=" + filepath.Dir(q.machines["vm1"].home) + "/${to%:}\n" +
		"for file; do case $file in root@*) ;; *) cp \"$file\" \"$to/\" ;; esac; done\n"
	if err := os.WriteFile(filepath.Join(dir, "scp"), []byte(scp), 0o700); err != nil { //nolint:gosec // A program.
		q.t.Fatal(err)
	}
	newWorkplace(q.t, false).open("PATH=" + dir + ":" + os.Getenv("PATH")).run(b)
}

// install installs what was copied. The packages of the distribution are here already, by the names that the document has.
func (q *quickstart) install() {
	q.t.Helper()
	b := q.sh("apt-get install -y ")
	b.text = strings.Replace(b.text, "apt-get install -y", "dpkg --status", 1)
	q.runBlock(b, q.where(b)...)
	q.run("install -m 755 registry /usr/bin/\n")
}

// eventually waits until a command prints something on a machine.
func (q *quickstart) eventually(name, command, want string) {
	q.t.Helper()
	b := docBlock{where: name, text: command}
	lbtest.Eventually(q.t, time.Minute, command+" prints "+want, func() bool { return strings.Contains(q.runBlock(b, name), want) })
}

// hostFails kills the unit that keeps a machine in the registry, where the machine then stays; stopping it takes the machine out.
func (q *quickstart) hostFails(name string) {
	q.t.Helper()
	get := "registry get /frontends/" + name + " || true\n"
	do := func(commands string) string { return q.runBlock(docBlock{where: name, text: commands + get}, name) }
	killed := "systemctl kill --signal=KILL rollcall-host\nuntil systemctl show --property=SubState rollcall-host | grep -q auto-restart; do sleep 0.1; done\n"
	if got := do(killed); !strings.HasSuffix(got, ":8080\n") {
		q.t.Errorf("%s, whose unit has failed: %s", name, got)
	}
	if got := do("until systemctl is-active --quiet rollcall-host; do sleep 0.1; done\nsystemctl stop rollcall-host\n"); strings.HasSuffix(got, ":8080\n") {
		q.t.Errorf("%s, whose unit was stopped, is in the registry: %s", name, got)
	}
	do("systemctl start rollcall-host\n")
	q.eventually(name, get, ":8080\n")
}

// reaches checks whether a machine reaches the ports of vm1's node.
func (q *quickstart) reaches(name string, want bool) {
	q.t.Helper()
	for _, port := range []string{"4001", "7946"} {
		text := "timeout 1 bash -c ': </dev/tcp/10.0.0.1/" + port + "' && echo open || echo shut"
		if got := q.runBlock(docBlock{where: name, text: text}, name); got == "open\n" != want {
			q.t.Errorf("port %s is %sto %s", port, got, name)
		}
	}
}
