//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// TestNetns has real processes form clusters, each in a network namespace of its own on a
// bridge, and kills, pauses and cuts them off, while simulated hosts put themselves into
// the registry. What must hold is checked from the clients' side, see [labCheck].
//
// The scenarios wait far more than they compute, so more of them run at once than
// -parallel says. They need root.
func TestNetns(t *testing.T) {
	t.Parallel()
	var group errgroup.Group
	group.SetLimit(labsAtOnce)
	begin := func(run func() bool) {
		group.Go(func() error {
			run()
			return nil
		})
	}
	// The longest first.
	begin(func() bool { return t.Run("Partition", testNetnsPartition) })
	begin(func() bool { return t.Run("PauseLong", testNetnsPauseLong) })
	begin(func() bool { return t.Run("Kill", testNetnsKill) })
	begin(func() bool { return t.Run("Strangers", testNetnsStrangers) })
	begin(func() bool { return t.Run("PauseShort", testNetnsPauseShort) })
	begin(func() bool { return t.Run("CutOneWay", testNetnsCutOneWay) })
	begin(func() bool { return t.Run("CutDeaf", testNetnsCutDeaf) })
	begin(func() bool { return t.Run("CutUDP", testNetnsCutUDP) })
	begin(func() bool { return t.Run("CutLink", testNetnsCutLink) })
	begin(func() bool { return t.Run("NameMoves", testNetnsNameMoves) })
	begin(func() bool { return t.Run("KeyRotation", testNetnsKeyRotation) })
	begin(func() bool { return t.Run("NameTaken", testNetnsNameTaken) })
	begin(func() bool { return t.Run("WatchMoves", testNetnsWatchMoves) })
	begin(func() bool { return t.Run("JoinByName", testNetnsJoinByName) })
	_ = group.Wait()
}

// labsAtOnce is how many clusters there are at the same time.
const labsAtOnce = 7

// labs counts the subnets that this process has tried to take.
var labs atomic.Uint32

// lab is a network of its own: a bridge in a namespace, with one more namespace for each
// node, and a way to it from here, where the hosts and the watchers are.
type lab struct {
	t      *testing.T
	subnet string // the first three bytes of its addresses
	prefix string // of the names of its namespaces
	client *http.Client
	nodes  []*labNode
	check  *labCheck
	clerks sync.WaitGroup // who ask the nodes until the test ends
}

// newLab makes a network without nodes. All that it makes is removed when the test ends.
func newLab(t *testing.T) *lab {
	t.Helper()
	removeAbandoned(t)
	l := &lab{t: t}
	l.check = newLabCheck(t)
	bridge := ""
	// The name of the link tells which subnets are taken, also by other processes.
	for range 256 {
		number := (labs.Add(1) + uint32(os.Getpid())) % 256
		link := fmt.Sprintf("rollcall%d", number)
		bridge = fmt.Sprintf("rollcall-%d-%d", os.Getpid(), number)
		l.addNamespace(bridge)
		err := runIP("link", "add", link, "type", "veth", "peer", "name", "host", "netns", bridge)
		if err == nil {
			l.subnet, l.prefix = fmt.Sprintf("10.99.%d", number), bridge
			l.ip("addr", "add", l.subnet+".254/24", "dev", link)
			l.ip("link", "set", link, "up")
			break
		}
		if !strings.Contains(err.Error(), "File exists") {
			t.Fatal(err)
		}
	}
	l.addBridge()
	l.ip("-n", bridge, "link", "set", "host", "master", "bridge", "up")
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: labTimeout}).DialContext,
		MaxIdleConnsPerHost: 16,
	}
	l.client = &http.Client{Transport: transport}
	t.Cleanup(transport.CloseIdleConnections)
	return l
}

// addBridge makes the bridge in its namespace.
func (l *lab) addBridge() {
	l.t.Helper()
	l.ip("-n", l.prefix, "link", "add", "bridge", "type", "bridge")
	l.ip("-n", l.prefix, "link", "set", "bridge", "up")
}

// addNode makes a namespace for a node with the number as the last byte of its address.
func (l *lab) addNode(number int, name string) *labNode {
	l.t.Helper()
	n := l.plug(number)
	n.name = name
	l.t.Cleanup(n.cleanUp)
	l.nodes = append(l.nodes, n)
	return n
}

// plug makes a namespace on the bridge, for whatever has an address with the number as its last byte.
func (l *lab) plug(number int) *labNode {
	l.t.Helper()
	n := &labNode{
		lab: l, addr: fmt.Sprintf("%s.%d", l.subnet, number),
		ns: fmt.Sprintf("%s-%d", l.prefix, number), link: fmt.Sprintf("node%d", number),
	}
	n.url = "http://" + n.addr + ":4001"
	l.addNamespace(n.ns)
	l.ip("-n", l.prefix, "link", "add", n.link, "type", "veth", "peer", "name", "eth0", "netns", n.ns)
	l.ip("-n", l.prefix, "link", "set", n.link, "master", "bridge", "up")
	l.ip("-n", n.ns, "addr", "add", n.addr+"/24", "dev", "eth0")
	l.ip("-n", n.ns, "link", "set", "eth0", "up")
	l.ip("-n", n.ns, "link", "set", "lo", "up")
	return n
}

// addNamespace makes a namespace. The links in it go with it.
func (l *lab) addNamespace(name string) {
	l.t.Helper()
	if err := runIP("netns", "add", name); err != nil {
		l.t.Fatalf("no network namespace can be made, which needs root: %v", err)
	}
	l.t.Cleanup(func() {
		if err := runIP("netns", "del", name); err != nil {
			l.t.Error(err)
		}
	})
}

// newTrio makes three nodes, not started yet.
func newTrio(t *testing.T) (l *lab, n1, n2, n3 *labNode) {
	t.Helper()
	l = newLab(t)
	return l, l.addNode(1, "n1"), l.addNode(2, "n2"), l.addNode(3, "n3")
}

// start starts all nodes, waits until they are a cluster, and has them checked from then
// on.
func (l *lab) start() {
	l.t.Helper()
	for _, n := range l.nodes {
		n.launch()
	}
	var names []string
	for _, n := range l.nodes {
		n.waitUp(1)
		names = append(names, n.name)
	}
	for _, n := range l.nodes {
		n.waitReady()
		n.waitMembers(20*time.Second, names...)
	}
	l.observe(l.nodes...)
}

// seeds is the addresses of all nodes, for --join.
func (l *lab) seeds() string {
	var all []string
	for _, n := range l.nodes {
		all = append(all, n.addr+":7946")
	}
	return strings.Join(all, ",")
}

// ip runs ip.
func (l *lab) ip(args ...string) {
	l.t.Helper()
	if err := runIP(args...); err != nil {
		l.t.Fatal(err)
	}
}

// drop has a node take nothing of what some nft expressions match.
func (n *labNode) drop(matches ...string) {
	n.lab.t.Helper()
	rules := "table inet lab {\nchain in {\ntype filter hook input priority 0\n" + strings.Join(matches, " drop\n") + " drop\n}\n}"
	if err := runIP("netns", "exec", n.ns, "nft", rules); err != nil {
		n.lab.t.Fatal(err)
	}
}

// dropNothing ends drop.
func (n *labNode) dropNothing() {
	n.lab.t.Helper()
	if err := runIP("netns", "exec", n.ns, "nft", "delete table inet lab"); err != nil {
		n.lab.t.Fatal(err)
	}
}

// cut has two groups of nodes hear nothing of each other. Clients reach all.
func (l *lab) cut(group, others []*labNode) {
	l.t.Helper()
	l.check.cut(group, others)
	from := func(nodes []*labNode) (matches []string) {
		for _, n := range nodes {
			matches = append(matches, "ip saddr "+n.addr)
		}
		return matches
	}
	for _, n := range group {
		n.drop(from(others)...)
	}
	for _, n := range others {
		n.drop(from(group)...)
	}
}

// eventually waits until something is so and returns how long that took.
func (l *lab) eventually(within time.Duration, what string, so func() bool) time.Duration {
	l.t.Helper()
	begin := time.Now()
	for !so() {
		if time.Since(begin) > within {
			l.t.Fatalf("not within %v: %s", within, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(begin)
}

// watchFor lets time pass in which the checks go on.
func (l *lab) watchFor(d time.Duration) {
	l.t.Helper()
	select {
	case <-time.After(d):
	case <-l.t.Context().Done():
	}
}

// runIP runs ip and returns what it complained about.
func runIP(args ...string) error {
	// The context is not that of the test: what was made is removed after that has ended.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// removeAbandoned removes the namespaces of test processes that ended without doing so.
func removeAbandoned(t *testing.T) {
	t.Helper()
	names, err := os.ReadDir("/run/netns")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, name := range names {
		owner, _, _ := strings.Cut(strings.TrimPrefix(name.Name(), "rollcall-"), "-")
		if _, err := strconv.Atoi(owner); err != nil || !strings.HasPrefix(name.Name(), "rollcall-") {
			continue
		}
		if _, err := os.Stat(filepath.Join("/proc", owner)); errors.Is(err, fs.ErrNotExist) {
			_ = runIP("netns", "del", name.Name()) // another process may be as quick
			_ = os.RemoveAll(filepath.Join(namespaceEtc, name.Name()))
		}
	}
}
