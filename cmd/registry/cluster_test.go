package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"rollcall/gossip"
	"rollcall/registry"
	"rollcall/registry/client"
)

// joining returns the configuration of a node that joins others, or begins a cluster if
// there are none.
func joining(name string, others ...*node) nodeConfig {
	cfg := nodeConfig{
		name:   name,
		gossip: gossipConfig{listen: "127.0.0.1:0", cluster: defaultCluster},
	}
	for _, o := range others {
		cfg.gossip.join = append(cfg.gossip.join, o.cluster.gossip.Addr())
	}
	return cfg
}

// runCluster runs nodes with the given names that know and have all of them.
func runCluster(t *testing.T, names ...string) []*node {
	t.Helper()
	var nodes []*node
	for _, name := range names {
		n, _ := runNode(t, joining(name, nodes...))
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		waitMembers(t, n, names...)
		waitReady(t, n)
	}
	return nodes
}

func waitReady(t *testing.T, n *node) {
	t.Helper()
	eventually(t, "ok\n", func() string { return answer(t, "GET", n.URL()+"/readyz", "") })
}

// waitMembers waits until a node shows just the members of the given names.
func waitMembers(t *testing.T, n *node, names ...string) {
	t.Helper()
	eventually(t, strings.Join(slices.Sorted(slices.Values(names)), " "), func() string {
		var got []string
		for _, m := range membersOf(t, n).Members {
			got = append(got, m.Name)
		}
		slices.Sort(got)
		return strings.Join(got, " ")
	})
}

func membersOf(t *testing.T, n *node) *client.Membership {
	t.Helper()
	m, err := newTestClient(t, n.URL()).Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// value returns the value that a node shows for a key, and "404" for none.
func value(t *testing.T, n *node, key string) string {
	t.Helper()
	resp := request(t, "GET", n.URL()+"/v2/keys"+key, "")
	if resp.StatusCode != http.StatusOK {
		return strconv.Itoa(resp.StatusCode)
	}
	var got struct{ Node struct{ Value string } }
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	return got.Node.Value
}

// metric returns a series of a node, as it is written.
func metric(t *testing.T, n *node, series string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(answer(t, "GET", n.URL()+"/metrics", ""))
	if found == nil {
		t.Fatalf("no series %s", series)
	}
	return found[1]
}

// What one node takes all have: entries, changes, removals and expiries, and watches are
// told of them everywhere.
func TestNodesReplicate(t *testing.T) {
	t.Parallel()
	nodes := runCluster(t, "dot", "dash", "dart")
	for i, n := range nodes {
		watch := request(t, "GET", nodes[(i+1)%3].URL()+"/v2/keys/frontends?wait=true&recursive=true", "")
		key := fmt.Sprint("/frontends/fe", i)
		answer(t, "PUT", n.URL()+"/v2/keys"+key, "value=10.0.1.1&ttl=60")
		if got := show(t, watch); !strings.Contains(got, `"action":"set","node":{"key":"`+key+`"`) {
			t.Errorf("the watch at %s saw %s", nodes[(i+1)%3].cfg.name, got)
		}
		for _, o := range nodes {
			eventually(t, "10.0.1.1", func() string { return value(t, o, key) })
		}
	}
	answer(t, "DELETE", nodes[1].URL()+"/v2/keys/frontends/fe0", "")
	answer(t, "PUT", nodes[2].URL()+"/v2/keys/frontends/fe2", "value=10.0.1.9&ttl=1")
	for _, n := range nodes {
		eventually(t, "404", func() string { return value(t, n, "/frontends/fe0") })
		eventually(t, "404", func() string { return value(t, n, "/frontends/fe2") })
		if got := value(t, n, "/frontends/fe1"); got != "10.0.1.1" {
			t.Errorf("%s shows %s for what nobody has touched", n.cfg.name, got)
		}
	}
}

// A heartbeat counts wherever it lands.
func TestHeartbeatsAtAnotherNode(t *testing.T) {
	t.Parallel()
	nodes := runCluster(t, "dot", "dash")
	const key, form = "/v2/keys/frontends/fe1", "value=10.0.1.1&ttl=2"
	answer(t, "PUT", nodes[0].URL()+key, form)
	eventually(t, "10.0.1.1", func() string { return value(t, nodes[1], "/frontends/fe1") })
	for range 6 {
		time.Sleep(700 * time.Millisecond) // real leases: what a host does
		answer(t, "PUT", nodes[1].URL()+key, form)
		for _, n := range nodes {
			if got := value(t, n, "/frontends/fe1"); got != "10.0.1.1" {
				t.Fatalf("%s shows %s", n.cfg.name, got)
			}
		}
	}
	if got := metric(t, nodes[1], "rollcall_lease_takeovers_total"); got != "1" {
		t.Errorf("%s takeovers after three heartbeats in a row, want 1", got)
	}
}

// Clients that ask any node for the others get URLs that work, the asked node's first.
func TestMachinesOfACluster(t *testing.T) {
	t.Parallel()
	nodes := runCluster(t, "dot", "dash", "dart")
	var all []string
	for _, n := range nodes {
		all = append(all, n.URL())
	}
	slices.Sort(all)
	for _, n := range nodes {
		machines := strings.Split(answer(t, "GET", n.URL()+"/v2/machines", ""), ", ")
		if machines[0] != n.URL() {
			t.Errorf("machines of %s: %v", n.cfg.name, machines)
		}
		if slices.Sort(machines); !slices.Equal(machines, all) {
			t.Errorf("machines of %s: %v, want %v", n.cfg.name, machines, all)
		}
		for _, m := range membersOf(t, n).Members {
			if len(m.ClientURLs) != 1 || len(m.PeerURLs) != 1 {
				t.Fatalf("member %+v", m)
			}
			if resp := request(t, "GET", m.ClientURLs[0]+"/v2/keys/", ""); resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", m.ClientURLs[0], resp.Status)
			}
		}
	}
	got := runCommand(t.Context(), testEnv([]string{"members", "--endpoints", nodes[1].URL()}))
	want := fmt.Sprintf("NAME  CLIENTS                 GOSSIP\ndash  %s  %s\ndart  %s  %s\ndot   %s  %s\n",
		nodes[1].URL(), nodes[1].cluster.gossip.Addr(), nodes[2].URL(), nodes[2].cluster.gossip.Addr(),
		nodes[0].URL(), nodes[0].cluster.gossip.Addr())
	if squeeze := strings.NewReplacer(" ", ""); got.code != 0 || squeeze.Replace(got.stdout) != squeeze.Replace(want) {
		t.Errorf("registry members: exit %d, %s%s; want\n%s", got.code, got.stdout, got.stderr, want)
	}
}

// A client that goes on at another node with the index of the first is told to list again.
func TestForeignIndex(t *testing.T) {
	t.Parallel()
	nodes := runCluster(t, "dot", "dash", "dart")
	for _, from := range nodes {
		index := setIndex(t, from.URL())
		for _, to := range nodes {
			resume := fmt.Sprintf("%s/v2/keys/a?wait=true&waitIndex=%d", to.URL(), index)
			resp := request(t, "GET", resume, "")
			got := show(t, resp)
			if isForeign := strings.HasPrefix(got, `400 {"errorCode":401,`); isForeign != (from != to) {
				t.Errorf("an index of %s at %s: %s", from.cfg.name, to.cfg.name, got)
			}
		}
	}
}

// Names whose nodes begin with the same tag.
var sameTag = []string{"n1", "n10", "n22"}

// Of nodes with the same tag the younger ones take others, for good, and clients that hold
// an older index of theirs list again.
func TestTagsGetApart(t *testing.T) {
	t.Parallel()
	for _, name := range sameTag {
		if tagOf(name) != tagOf(sameTag[0]) {
			t.Fatalf("%s begins with tag %d, %s with %d: take other names", name, tagOf(name), sameTag[0], tagOf(sameTag[0]))
		}
	}
	dir := t.TempDir()
	first, _ := runNode(t, joining(sameTag[0]))
	time.Sleep(2 * time.Millisecond) // the age of nodes is told to the millisecond
	cfg := joining(sameTag[1], first)
	cfg.dataDir = dir
	second, stop := runNode(t, cfg)
	third, _ := runNode(t, joining(sameTag[2], first))
	all := []*node{first, second, third}
	eventually(t, "3", func() string {
		tags := map[uint64]bool{}
		for _, n := range all {
			tags[n.store.Tag()] = true
		}
		return strconv.Itoa(len(tags))
	})
	if got := first.store.Tag(); got != tagOf(sameTag[0]) {
		t.Errorf("the oldest node has tag %d now", got)
	}
	for _, n := range all {
		waitReady(t, n)
	}
	changed := second.store.Tag()
	if got := setIndex(t, second.URL()); got>>48 != changed {
		t.Errorf("index %d does not have tag %d", got, changed)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	second, _ = runNode(t, cfg)
	if got := second.store.Tag(); got != changed {
		t.Errorf("after a restart the tag is %d, want %d", got, changed)
	}
}

// Half a directory is worse than none: a node that has yet to find the others refuses
// requests for keys, and says why. It stops soon all the same.
func TestUnsyncedNodeRefuses(t *testing.T) {
	t.Parallel()
	cfg := joining("dot")
	cfg.gossip.join = []string{"127.0.0.1:1"}
	n, stop := runNode(t, cfg)
	eventually(t, "[+]store ok\n[-]sync failed: no peer found yet\n", func() string {
		return answer(t, "GET", n.URL()+"/readyz", "")
	})
	for _, tt := range []struct{ method, target, form, want string }{
		{"GET", "/v2/keys/", "", `503 {"errorCode":301,"message":"During Leader Election","cause":"no peer found yet","index":`},
		{"PUT", "/v2/keys/a", "value=1", `503 {"errorCode":301,`},
		{"GET", "/v2/keys/?wait=true&recursive=true", "", `503 {"errorCode":301,`},
		{"DELETE", "/v2/keys/a", "", `503 {"errorCode":301,`},
		{"GET", "/readyz?verbose", "", "503 [+]store ok\n[-]sync failed: no peer found yet"},
		{"GET", "/readyz", "", "503 [+]store ok\n[-]sync failed: "},
		{"GET", "/livez", "", "200 ok"},
		{"GET", "/health", "", `503 {"health":"false"}`},
		{"GET", "/v2/members", "", `200 {"members":[{`},
		{"GET", "/v2/machines", "", "200 " + n.URL()},
		{"GET", "/metrics", "", "200 "},
	} {
		if got := show(t, request(t, tt.method, n.URL()+tt.target, tt.form)); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s %s: %.200s, want %s", tt.method, tt.target, got, tt.want)
		}
	}
	got := runCommand(t.Context(), testEnv([]string{"get", "/a", "--endpoints", n.URL()}))
	if got.code != exitUnavailable || !strings.Contains(got.stderr, "no peer found yet") {
		t.Errorf("registry get: exit %d, %s", got.code, got.stderr)
	}
	wantSoon(t, stop)
}

// wantSoon wants a node to stop without an error in the time that a supervisor gives it.
func wantSoon(t *testing.T, stop func() error) {
	t.Helper()
	begin := time.Now()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("the stop took %v", took)
	}
}

// A node that is stopped leaves: the others know it within moments, and so do those who
// find its entries there for one more TTL.
func TestNodeLeaves(t *testing.T) {
	t.Parallel()
	first, _ := runNode(t, joining("dot"))
	second, stop := runNode(t, joining("dash", first))
	waitMembers(t, first, "dash", "dot")
	waitReady(t, second)
	answer(t, "PUT", second.URL()+"/v2/keys/frontends/fe1", "value=10.0.1.1&ttl=2")
	answer(t, "PUT", second.URL()+"/v2/keys/creds", "value=secret")
	eventually(t, "secret", func() string { return value(t, first, "/creds") })
	watch := request(t, "GET", second.URL()+"/v2/keys/frontends?wait=true&recursive=true", "")
	wantSoon(t, stop)
	if got := show(t, watch); got != "200 " {
		t.Errorf("the watch ended with %s", got)
	}
	waitMembers(t, first, "dot")
	if got := metric(t, first, `rollcall_gossip_members{status="left"}`); got != "1" {
		t.Errorf("%s members have left, want 1", got)
	}
	if got := metric(t, first, "rollcall_leases_orphaned"); got != "1" {
		t.Errorf("%s leases are orphaned, want 1", got)
	}
	if got := value(t, first, "/frontends/fe1"); got != "10.0.1.1" {
		t.Errorf("the lease of a node that left is %s at once", got)
	}
	eventually(t, "404", func() string { return value(t, first, "/frontends/fe1") })
	if got := value(t, first, "/creds"); got != "secret" {
		t.Errorf("what has no lease is %s", got)
	}
}

// A node finds former peers in its data directory, also without --join.
func TestPeersAreKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, _ := runNode(t, joining("dot"))
	cfg := joining("dash", first)
	cfg.dataDir = dir
	second, stop := runNode(t, cfg)
	waitMembers(t, second, "dash", "dot")
	wantSoon(t, stop)
	text, err := os.ReadFile(filepath.Join(dir, "peers"))
	if want := first.cluster.gossip.Addr() + "\n"; err != nil || string(text) != want {
		t.Errorf("peers: %q, %v; want %q", text, err, want)
	}
	cfg.gossip.join = nil
	second, _ = runNode(t, cfg)
	waitMembers(t, second, "dash", "dot")
}

// keyFile writes a key file; equal letters make equal keys.
func keyFile(t *testing.T, letters ...string) string {
	t.Helper()
	var text strings.Builder
	for _, letter := range letters {
		text.WriteString(base64.StdEncoding.EncodeToString([]byte(strings.Repeat(letter, 32))) + "\n")
	}
	name := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(name, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Nodes with another key, without one, or of another cluster stay outside.
func TestStrangersStayOutside(t *testing.T) {
	t.Parallel()
	cfg := joining("dot")
	cfg.gossip.keyFile = keyFile(t, "a", "b")
	first, _ := runNode(t, cfg)

	friend := joining("dash", first)
	friend.gossip.keyFile = keyFile(t, "b", "a") // in the middle of a rotation
	second, _ := runNode(t, friend)
	waitMembers(t, second, "dash", "dot")

	otherKey, noKey, otherName := joining("other-key", first), joining("no-key", first), joining("other-name", first)
	otherKey.gossip.keyFile = keyFile(t, "c")
	otherName.gossip.keyFile, otherName.gossip.cluster = cfg.gossip.keyFile, "elsewhere"
	for _, cfg := range []nodeConfig{otherKey, noKey, otherName} {
		before := metric(t, first, "rollcall_gossip_rejected_total")
		stranger, stop := runNode(t, cfg)
		eventually(t, "true", func() string {
			return strconv.FormatBool(metric(t, first, "rollcall_gossip_rejected_total") != before)
		})
		waitMembers(t, first, "dash", "dot")
		waitMembers(t, stranger, cfg.name)
		if resp := request(t, "GET", stranger.URL()+"/v2/keys/", ""); resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s answers %s", cfg.name, resp.Status)
		}
		wantSoon(t, stop)
	}
}

// Two nodes with one name are a mistake; the younger one says so and ends.
func TestNameIsTaken(t *testing.T) {
	t.Parallel()
	first, _ := runNode(t, joining("dot"))
	time.Sleep(2 * time.Millisecond) // the age of nodes is told to the millisecond
	cfg := joining("dot", first)
	cfg.listen = "127.0.0.1:0"
	second, err := newNode(t.Context(), cfg, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err = second.Run(ctx)
	if want := `"dot" at ` + first.cluster.gossip.Addr(); !errors.Is(err, gossip.ErrNameTaken) || !strings.Contains(err.Error(), want) {
		t.Errorf("the second node ended with %v, want %s", err, want)
	}
	if got := value(t, first, "/"); got != "" {
		t.Errorf("the first node answers %s", got)
	}
}

// Wrong settings end a start with a sentence about the flag or the file.
func TestGossipSettingsAreChecked(t *testing.T) {
	t.Parallel()
	write := func(text string) string {
		name := filepath.Join(t.TempDir(), "keys")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	good := keyFile(t, "a")
	busy, _ := runNode(t, joining("dot"))
	gossiping := []string{"--gossip-listen", "127.0.0.1:0"}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--gossip-key-file", good}, "--gossip-key-file: has no effect without --join or --gossip-listen"},
		{[]string{"--gossip-advertise", "10.0.0.1:7946"}, "--gossip-advertise: has no effect without --join or --gossip-listen"},
		{[]string{"--gossip-listen", "nonsense"}, "--gossip-listen: address nonsense: missing port"},
		{[]string{"--gossip-listen", "127.0.0.1:gossip"}, `"127.0.0.1:gossip" has no port in digits`},
		{append(gossiping, "--gossip-advertise", "10.0.0.1"), "--gossip-advertise: address 10.0.0.1: missing port"},
		{append(gossiping, "--join", "10.0.0.1"), "--join: address 10.0.0.1: missing port"},
		{append(gossiping, "--join", "10.0.0.1:7946,"), "--join: an address is empty"},
		{append(gossiping, "--join", "10.0.0.1:gossip"), `seed: "10.0.0.1:gossip" has no port in digits`},
		{append(gossiping, "--cluster", strings.Repeat("x", 300)), "the cluster's name is longer than 255 bytes"},
		{append(gossiping, "--name", strings.Repeat("x", 129)), "a node's name has 1 to 128 bytes"},
		{[]string{"--gossip-listen", busy.cluster.gossip.Addr()}, "address already in use"},
		{append(gossiping, "--gossip-key-file", "/none/keys"), "key file: open /none/keys: no such file"},
		{append(gossiping, "--gossip-key-file", t.TempDir()), "is a directory"},
		{append(gossiping, "--gossip-key-file", write("")), "there is no key in it"},
		{append(gossiping, "--gossip-key-file", write("# a comment\n\nsecret!\n")), "line 3 is not base64"},
		{append(gossiping, "--gossip-key-file", write("c2VjcmV0\n")), "line 1 has 6 bytes, not 16, 24 or 32"},
	} {
		got := runCommand(t.Context(), testEnv(append([]string{"serve", anyPort}, tt.args...)))
		if got.code != exitFailure || !strings.Contains(got.stderr, tt.want) || strings.Contains(got.stderr, "secret") {
			t.Errorf("%v: exit %d, %q; want %q", tt.args, got.code, got.stderr, tt.want)
		}
	}
	if registry.MaxTag != 31 {
		t.Error("docs/differences.md and docs/replication.md speak of 31 tags")
	}
}
