package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/lbsync/lbtest"
)

// On a full disk a node says so, refuses what it cannot keep within a bounded time, does
// everything else, and recovers by itself. What it refused is not there after a restart
// unless the answer said that it may be.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	if !lbtest.PrivateMounts(t) {
		return
	}
	disk := filepath.Join(t.TempDir(), "disk")
	lbtest.SmallDisk(t, disk)
	args := []string{anyPort, "--name", "dot", "--data-dir", filepath.Join(disk, "dot")}
	s := startProcess(t, nil, args...)
	keys := s.base + "/v2/keys"
	setOK(t, keys+"/creds/before", "value=1")
	setOK(t, keys+"/frontends/a", "value=10.0.0.1:80&ttl=60")
	free := lbtest.Fill(t, disk)

	refused := fillJournal(t, keys)
	for _, want := range []string{`"errorCode":300`, `"message":"Raft Internal Error"`, "no space left on device"} {
		if !strings.Contains(refused, want) {
			t.Errorf("the refusal has no %s: %s", want, refused)
		}
	}
	if got := answer(t, http.MethodGet, s.base+"/readyz", ""); !strings.Contains(got, "[-]disk failed: ") || !strings.Contains(got, "no space left") {
		t.Errorf("readyz: %s", got)
	}
	if got := answer(t, http.MethodGet, s.base+"/livez", ""); got != "ok\n" {
		t.Errorf("livez: %s", got)
	}
	again := answer(t, http.MethodPut, keys+"/creds/again", "value=1")
	if !strings.Contains(again, "nothing was changed") {
		t.Errorf("a second durable write: %s", again)
	}
	if got := answer(t, http.MethodGet, keys+"/creds/again", ""); !strings.Contains(got, `"errorCode":100`) {
		t.Errorf("a write that changed nothing is there: %s", got)
	}
	setOK(t, keys+"/frontends/a", "value=10.0.0.1:80&ttl=60")
	setOK(t, keys+"/frontends/b", "value=10.0.0.2:80&ttl=60")
	if got := answer(t, http.MethodDelete, keys+"/frontends/b", ""); !strings.Contains(got, `"action":"delete"`) {
		t.Errorf("a host cannot leave: %s", got)
	}
	if got := answer(t, http.MethodGet, keys+"/creds/before", ""); !strings.Contains(got, `"value":"1"`) {
		t.Errorf("a read: %s", got)
	}

	free()
	eventually(t, "ok\n", func() string { return answer(t, http.MethodGet, s.base+"/readyz", "") })
	setOK(t, keys+"/creds/after", "value=1")
	s.stop(t, syscall.SIGKILL)
	if got := strings.Count(s.log.String(), `"level":"ERROR"`); got != 1 {
		t.Errorf("%d lines of errors:\n%s", got, s.log)
	}
	if !strings.Contains(s.log.String(), "the disk takes writes again") {
		t.Errorf("the recovery is not told:\n%s", s.log)
	}

	s = startProcess(t, nil, args...)
	keys = s.base + "/v2/keys"
	for key, want := range map[string]string{
		"/creds/before": `"value":"1"`, "/creds/after": `"value":"1"`, "/creds/again": `"errorCode":100`,
		"/frontends/a": `"ttl":60`, "/frontends/b": `"errorCode":100`,
	} {
		if got := answer(t, http.MethodGet, keys+key, ""); !strings.Contains(got, want) {
			t.Errorf("%s after the restart: %s", key, got)
		}
	}
}

// fillJournal writes until a write is refused, and returns the refusal, which must come soon.
func fillJournal(t *testing.T, keys string) string {
	t.Helper()
	value := "value=" + strings.Repeat("x", 10_000)
	for range 100 {
		began := time.Now()
		got := answer(t, http.MethodPut, keys+"/creds/full", value)
		if took := time.Since(began); took > 7*time.Second {
			t.Errorf("an answer took %v", took)
		}
		if !strings.Contains(got, `"action":"set"`) {
			return got
		}
	}
	t.Fatal("a full disk takes everything")
	return ""
}

func setOK(t *testing.T, url, form string) {
	t.Helper()
	if got := answer(t, http.MethodPut, url, form); !strings.Contains(got, `"action":"set"`) {
		t.Errorf("%s: %s", url, got)
	}
}

// A node whose disk is full ends when it is told to.
func TestStopWithFullDisk(t *testing.T) {
	t.Parallel()
	if !lbtest.PrivateMounts(t) {
		return
	}
	disk := filepath.Join(t.TempDir(), "disk")
	lbtest.SmallDisk(t, disk)
	s := startProcess(t, nil, anyPort, "--name", "dot", "--data-dir", filepath.Join(disk, "dot"))
	s.fails = true
	lbtest.Fill(t, disk)
	fillJournal(t, s.base+"/v2/keys")
	if code := s.stop(t, syscall.SIGTERM); code != 1 || !strings.Contains(s.log.String(), "not closed in good order") {
		t.Errorf("code %d:\n%s", code, s.log)
	}
}
