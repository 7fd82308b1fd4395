//go:build linux

package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// labSecret is a gossip key as files hold it.
func labSecret(fill byte) string {
	return base64.StdEncoding.EncodeToString(slices.Repeat([]byte{fill}, 32))
}

// writeKeys puts keys into a file, whole.
func (l *lab) writeKeys(file string, keys ...string) {
	l.t.Helper()
	if err := os.WriteFile(file+".new", []byte(strings.Join(keys, "\n")+"\n"), 0o600); err != nil {
		l.t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		l.t.Fatal(err)
	}
}

// The key of a cluster is replaced while it works: no write is lost, no member either.
func testNetnsKeyRotation(t *testing.T) {
	l, _, _, _ := newTrio(t)
	before, after := labSecret(1), labSecret(2)
	var files []string
	for _, n := range l.nodes {
		file := filepath.Join(t.TempDir(), n.name)
		files = append(files, file)
		l.writeKeys(file, before)
		n.args = []string{"--gossip-key-file", file}
	}
	l.start()
	l.addRoundRobinHosts("wanders", 3, l.nodes...)

	stop := make(chan struct{})
	var writers sync.WaitGroup
	written := 0
	writers.Go(func() { written = l.writeUntil(stop) })
	writers.Go(func() { l.wantMembersUntil(stop, "n1", "n2", "n3") })
	end := sync.OnceFunc(func() { close(stop); writers.Wait() })
	defer end()
	for step, keys := range [][]string{{before, after}, {after, before}, {after}} {
		for i, n := range l.nodes { // one node after another, as an operator does
			changes := n.log.count("gossip keys changed")
			l.writeKeys(files[i], keys...)
			l.eventually(10*time.Second, n.name+" has read its keys", func() bool {
				return n.log.count("gossip keys changed") > changes
			})
		}
		t.Logf("key rotation: step %d, %d keys", step+1, len(keys))
	}
	l.watchFor(2 * time.Second)
	end()
	t.Logf("key rotation: %d writes, equal after %v", written, round(l.waitEqual(labHealBound, l.nodes...)))
	for _, n := range l.nodes {
		if lines := n.log.with(`"level":"WARN"`); len(lines) > 0 {
			t.Errorf("%s warned: %s", n.name, strings.Join(lines, "\n"))
		}
	}
}

// writeUntil writes a key after another, to the nodes in turn, and returns how many.
func (l *lab) writeUntil(stop <-chan struct{}) (count int) {
	for ; ; count++ {
		select {
		case <-stop:
			return count
		case <-time.After(10 * time.Millisecond):
		}
		key, n := fmt.Sprintf("/conf/%d", count), l.nodes[count%len(l.nodes)]
		if _, err := l.write(n, labPatience, http.MethodPut, key, "value="+n.name); err != nil {
			l.t.Errorf("write %d: %v", count, err)
			return count
		}
		l.check.put(key, n.name)
	}
}

// wantMembersUntil wants each node to see these members all the time.
func (l *lab) wantMembersUntil(stop <-chan struct{}, want ...string) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(labGlance):
		}
		for _, n := range l.nodes {
			if got, err := n.members(); err == nil && !slices.Equal(got, want) {
				l.t.Errorf("%s has the members %v", n.name, got)
				return
			}
		}
	}
}
