//go:build linux

package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"rollcall/lbsync/lbtest"
)

// machine is a machine of its own as far as its users can tell: it has the programs that are installed here, and its own
// files, network, processes and systemd. It keeps its files while it is off.
type machine struct {
	t       *testing.T
	name    string
	home    string   // root's home, as it is seen from here
	chassis int      // the process that holds what stays while it is off
	power   *os.File // each line switches it on
	term    *terminal
}

// machineScript makes the files of a machine, which go to memory, and runs its systemd whenever it reads a line. Of what is
// enabled here nothing is enabled there. The cgroups are its own because the systemds would take each other's processes.
const machineScript = `set -e
dir=$1 id=$2 name=$3 net=$4 home=$5
mount -t tmpfs tmpfs "$dir"
mkdir "$dir/upper" "$dir/work" "$dir/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
cd "$dir/root"
rm -rf etc/systemd/system/*.wants etc/rc?.d lib/systemd/system/multi-user.target.wants lib/systemd/system/timers.target.wants
ln -sf /lib/systemd/system/multi-user.target etc/systemd/system/default.target
echo "$name" >etc/hostname
cd /
mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn
for cgroup in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
	[ -e $cgroup/cgroup.procs ] || continue
	mkdir $cgroup/$id
	echo 0 >$cgroup/$id/cgroup.procs
done
echo ready
while read -r _; do
	systemd-nspawn --quiet --directory="$dir/root" --boot --register=no --keep-unit --machine="$id" --hostname="$name" \
		--network-namespace-path="/run/netns/$net" --bind="$home:/root" --link-journal=no --resolv-conf=off </dev/null >>"$home.console" 2>&1 || true
done`

// newMachines makes machines, named vm1 and so on, with the addresses 10.0.0.1 and so on, and switches them on.
func newMachines(t *testing.T, count int) map[string]*machine {
	t.Helper()
	lbtest.Program(t, "systemd-nspawn")
	removeAbandoned(t)
	l := &lab{t: t, prefix: fmt.Sprintf("rollcall-%d-vm%d", os.Getpid(), labs.Add(1)), subnet: "10.0.0"}
	l.addNamespace(l.prefix)
	l.addBridge()
	homes := t.TempDir()
	all := map[string]*machine{}
	for number := 1; number <= count; number++ {
		n := l.plug(number)
		m := &machine{t: t, name: fmt.Sprintf("vm%d", number), home: filepath.Join(homes, n.addr)}
		if err := os.Mkdir(m.home, 0o700); err != nil {
			t.Fatal(err)
		}
		removeCgroups(t, n.ns)
		power, button, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = button.Close() })
		namespaces := []string{"--mount", "--pid", "--fork", "--kill-child", "--mount-proc"}
		m.power = button
		m.chassis = hold(t, power, namespaces, machineScript, t.TempDir(), n.ns, m.name, n.ns, m.home)
		_ = power.Close() // The chassis has it.
		all[m.name] = m
		t.Cleanup(m.report)
	}
	for _, m := range all {
		m.press()
	}
	for _, m := range all {
		m.waitBooted()
	}
	return all
}

// removeCgroups removes the cgroups of a machine when the test ends.
func removeCgroups(t *testing.T, id string) {
	t.Helper()
	t.Cleanup(func() {
		for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"} {
			var dirs []string
			_ = filepath.WalkDir(filepath.Join(root, id), func(path string, entry fs.DirEntry, err error) error {
				if err == nil && entry.IsDir() {
					dirs = append(dirs, path)
				}
				return nil
			})
			slices.Reverse(dirs)
			for _, dir := range dirs {
				lbtest.Eventually(t, 10*time.Second, dir+" can be removed", func() bool { return os.Remove(dir) == nil })
			}
		}
	})
}

// press switches the machine on.
func (m *machine) press() {
	m.t.Helper()
	if _, err := m.power.WriteString("on\n"); err != nil {
		m.t.Fatal(err)
	}
}

// waitBooted waits until systemd has started all that is enabled, and opens a terminal.
func (m *machine) waitBooted() {
	m.t.Helper()
	lbtest.Eventually(m.t, 30*time.Second, m.name+" has a systemd", func() bool { return systemdBelow(m.chassis) != 0 })
	m.term = openTerminal(m.t, nil, m.enter()...)
	m.term.run(docBlock{where: m.name, text: "until [ -S /run/systemd/private ]; do sleep 0.1; done\nsystemctl is-system-running --wait || true"})
}

// enter is a command that runs the command behind it on the machine, as root at home.
func (m *machine) enter() []string {
	leader := strconv.Itoa(systemdBelow(m.chassis))
	return []string{
		"env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
		"nsenter", "--target", leader, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wdns=/root",
	}
}

// report shows what the services have logged, when the test has failed.
func (m *machine) report() {
	if !m.t.Failed() {
		return
	}
	args := append(m.enter(), "journalctl", "--no-pager", "--output=cat", "--lines=40", "--unit=rollcall-*", "--unit=haproxy", "--unit=nginx")
	text, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	console, _ := os.ReadFile(m.home + ".console") // As much as there is.
	m.t.Logf("%s logged (%v):\n%s\nits console:\n%s", m.name, err, text, console[max(0, len(console)-2000):])
}

// systemdBelow returns the systemd that is the first process of a machine, or 0.
func systemdBelow(pid int) int {
	for _, child := range childrenOf(pid) {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", child)) // It may have gone.
		if text := string(status); strings.HasPrefix(text, "Name:\tsystemd\n") && strings.Contains(text, "\t1\nNSpgid:") {
			return child
		}
		if found := systemdBelow(child); found != 0 {
			return found
		}
	}
	return 0
}

// loses runs a block at whose end the machine is off.
func (m *machine) loses(b docBlock) {
	m.t.Helper()
	m.term.begin(b)
	select {
	case <-m.term.exited:
	case <-time.After(20 * time.Second):
		m.t.Fatalf("%s: %s is still on:\n%s\n%s", b.where, m.name, m.term.printed(), m.term.errs.String())
	}
	lbtest.Eventually(m.t, 20*time.Second, m.name+" is off", func() bool { return systemdBelow(m.chassis) == 0 })
}
