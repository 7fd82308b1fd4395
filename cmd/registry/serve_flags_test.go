package main

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rollcall/lbsync/lbtest"
)

// setting is a flag of serve with a value, and how to see that it works.
type setting struct {
	flag, value string
	check       func(t *testing.T, base string)
}

// settingsOf are the flags of serve, with a directory and addresses that are free.
func settingsOf(t *testing.T) []setting {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "dot")
	listen, debug := "127.0.0.1:"+lbtest.FreePort(t), "127.0.0.1:"+lbtest.FreePort(t)
	peers := "127.0.0.1:" + lbtest.FreePort(t)
	return []setting{
		{"name", "dot", func(t *testing.T, base string) {
			t.Helper()
			if got := self(t, base); got.Name != "dot" {
				t.Errorf("the node calls itself %q", got.Name)
			}
		}},
		{"listen", listen, func(t *testing.T, base string) {
			t.Helper()
			if base != "http://"+listen || answer(t, "GET", base+"/v2/machines", "") != base {
				t.Errorf("the node is at %s", base)
			}
		}},
		{"advertise", "http://fe.example:4001,https://[2001:db8::1]:4002", checkAdvertised},
		{"data-dir", dir, func(t *testing.T, base string) {
			t.Helper()
			if _, err := os.Stat(indexFile(dir)); err != nil {
				t.Error(err)
			}
		}},
		{"max-body", "10", checkMaxBody},
		{"etcd-metrics", "true", func(t *testing.T, base string) {
			t.Helper()
			if text := answer(t, "GET", base+"/metrics", ""); !strings.Contains(text, "\netcd_debugging_store_watchers 0\n") {
				t.Error("etcd's names are not on /metrics")
			}
		}},
		{"etcd-metrics", "false", func(t *testing.T, base string) {
			t.Helper()
			if text := answer(t, "GET", base+"/metrics", ""); strings.Contains(text, "etcd_") {
				t.Error("etcd's names are on /metrics")
			}
		}},
		{"renewal-events", "true", func(t *testing.T, base string) {
			t.Helper()
			wantFirstChange(t, base, "old")
		}},
		{"renewal-events", "false", func(t *testing.T, base string) {
			t.Helper()
			wantFirstChange(t, base, "new")
		}},
		{"gossip-listen", peers, func(t *testing.T, base string) {
			t.Helper()
			if got := self(t, base); !slices.Equal(got.PeerURLs, []string{"http://" + peers}) {
				t.Errorf("other nodes reach the node at %v", got.PeerURLs)
			}
			eventually(t, "ok\n", func() string { return answer(t, "GET", base+"/readyz", "") }) // It looks for others first.
			if resp := request(t, "GET", base+"/v2/keys/", ""); resp.StatusCode != http.StatusOK {
				t.Errorf("a node that joins nobody answers %s", resp.Status)
			}
		}},
		{"join", "127.0.0.1:1,localhost:1", func(t *testing.T, base string) {
			t.Helper()
			eventually(t, "[+]store ok\n[-]sync failed: no peer found yet\n", func() string {
				return answer(t, "GET", base+"/readyz", "")
			})
		}},
		{"cluster", "east", func(t *testing.T, base string) {
			t.Helper()
			h := fnv.New64a()
			h.Write([]byte("cluster east"))
			resp := request(t, "GET", base+"/v2/members", "")
			if got, want := resp.Header.Get("X-Etcd-Cluster-Id"), fmt.Sprintf("%016x", h.Sum64()); got != want {
				t.Errorf("the cluster's id is %s, want %s", got, want)
			}
		}},
		{"debug-listen", debug, func(t *testing.T, base string) {
			t.Helper()
			if got := answer(t, "GET", "http://"+debug+"/debug/pprof/", ""); !strings.Contains(got, "goroutine") {
				t.Errorf("profiles: %.100q", got)
			}
			if resp := request(t, "GET", base+"/debug/pprof/", ""); resp.StatusCode != http.StatusNotFound {
				t.Errorf("the client port has profiles: %s", resp.Status)
			}
		}},
	}
}

// Every flag does what it says, and as well from the environment and from the file. For those that need more
// than one node see cluster_test.go.
func TestServeFlags(t *testing.T) {
	t.Parallel()
	for _, from := range []string{fromFlag, fromEnvironment, fromFile} {
		for _, s := range append(settingsOf(t), limitSettings()...) {
			t.Run(s.flag+" by "+from, func(t *testing.T) {
				t.Parallel()
				var args, vars []string
				if s.flag != "listen" {
					args = append(args, anyPort)
				}
				if s.flag == "join" {
					args = append(args, "--gossip-listen=127.0.0.1:0")
				}
				switch from {
				case fromFlag:
					args = append(args, "--"+s.flag+"="+s.value)
				case fromEnvironment:
					vars = append(vars, envName(s.flag)+"="+s.value)
				default:
					args = append(args, "--config", writeConfig(t, yamlKey(s.flag)+": "+quoted(s.value)+"\n"))
				}
				s.check(t, startProcess(t, vars, args...).base)
			})
		}
	}
}

// A flag wins over the environment, and all settings go together.
func TestServeFlagsTogether(t *testing.T) {
	t.Parallel()
	s := startProcess(t, []string{"ROLLCALL_LISTEN=nonsense", "ROLLCALL_NAME=other", "ROLLCALL_MAX_BODY=10", "ROLLCALL_GOSSIP_LISTEN=127.0.0.1:0"},
		anyPort, "--name", "dot", "--advertise", "http://fe.example:4001", "--advertise", "https://[2001:db8::1]:4002",
		"--gossip-advertise", "10.9.9.9:7946", "--gossip-key-file", keyFile(t, "a"))
	if got := self(t, s.base); got.Name != "dot" {
		t.Errorf("the node calls itself %q", got.Name)
	} else if !slices.Equal(got.PeerURLs, []string{"http://10.9.9.9:7946"}) {
		t.Errorf("other nodes reach the node at %v", got.PeerURLs)
	}
	checkAdvertised(t, s.base)
	eventually(t, "ok\n", func() string { return answer(t, "GET", s.base+"/readyz", "") }) // A node with gossip looks for others first.
	checkMaxBody(t, s.base)
}

type memberJSON struct {
	Name       string   `json:"name"`
	ClientURLs []string `json:"clientURLs"`
	PeerURLs   []string `json:"peerURLs"`
}

// self is the one member that a node knows.
func self(t *testing.T, base string) memberJSON {
	t.Helper()
	var got struct{ Members []memberJSON }
	text := answer(t, "GET", base+"/v2/members", "")
	if err := json.Unmarshal([]byte(text), &got); err != nil || len(got.Members) != 1 {
		t.Fatalf("members: %s, %v", text, err)
	}
	return got.Members[0]
}

func checkAdvertised(t *testing.T, base string) {
	t.Helper()
	want := []string{"http://fe.example:4001", "https://[2001:db8::1]:4002"}
	if got := answer(t, "GET", base+"/v2/machines", ""); got != strings.Join(want, ", ") {
		t.Errorf("machines: %s", got)
	}
	if got := self(t, base); !slices.Equal(got.ClientURLs, want) {
		t.Errorf("members: %v", got)
	}
}

// checkMaxBody wants a limit of ten bytes.
func checkMaxBody(t *testing.T, base string) {
	t.Helper()
	if resp := request(t, "PUT", base+"/v2/keys/a", "value=12345"); resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a body of 11 bytes: %s", resp.Status)
	}
	if resp := request(t, "PUT", base+"/v2/keys/a", "value=1234"); resp.StatusCode != http.StatusCreated {
		t.Errorf("a body of 10 bytes: %s", resp.Status)
	}
}

// wantFirstChange watches a key that gets a heartbeat with the value old, then the value
// new, and wants the watch to see the given one first.
func wantFirstChange(t *testing.T, base, want string) {
	t.Helper()
	key := base + "/v2/keys/frontends/fe1"
	answer(t, "PUT", key, "value=old&ttl=60")
	watch := request(t, "GET", key+"?wait=true", "") // has begun when its header is there
	answer(t, "PUT", key, "value=old&ttl=60")
	answer(t, "PUT", key, "value=new&ttl=60")
	var first struct{ Node struct{ Value string } }
	if err := json.NewDecoder(watch.Body).Decode(&first); err != nil || first.Node.Value != want {
		t.Errorf("the watch saw %q, %v; want %q", first.Node.Value, err, want)
	}
}
