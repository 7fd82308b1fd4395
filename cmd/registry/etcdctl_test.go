package main

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"rollcall/registry/httpapi/difftest"
)

// sameAsEtcdctl are command lines that mean the same to etcdctl, in an order in which each finds what it needs.
var sameAsEtcdctl = [][]string{
	{"set", "/a", "1"},
	{"set", "/a", "2"},
	{"get", "/a"},
	{"get", "a"},
	{"get", "/none"},
	{"get", "--sort", "--quorum", "/a"},
	{"get", "-q", "/a"},
	{"set", "--ttl", "100", "/a", "3"},
	{"set", "--swap-with-value", "3", "/a", "4"},
	{"set", "--swap-with-value", "3", "/a", "5"},
	{"set", "--swap-with-index", "7", "/a", "5"},
	{"set", "--swap-with-index", "1", "/a", "5"},
	{"set", "/empty", ""},
	{"get", "/empty"},
	{"set", "--", "/minus", "-1"},
	{"get", "/minus"},
	{"set", "/d/e", "6"},
	{"set", "/d/_hidden", "6"},
	{"set", "/d", "7"},
	{"set", "/a/b", "7"},
	{"set", "/sp ace/ü%2F?#+", "v w"},
	{"get", "/sp ace/ü%2F?#+"},
	{"mk", "/a", "8"},
	{"mk", "/m", "8"},
	{"mk", "--ttl", "100", "/mt", "8"},
	{"mk", "--in-order", "/q", "9"},
	{"update", "/m", "10"},
	{"update", "--ttl", "100", "/m", "11"},
	{"update", "/none", "10"},
	{"mkdir", "/md"},
	{"mkdir", "/md"},
	{"mkdir", "--ttl", "100", "/mt2"},
	{"mkdir", "/a"},
	{"ls", "--sort"},
	{"ls", "--sort", "/"},
	{"ls", "--sort", "-p"},
	{"ls", "--sort", "-r", "/"},
	{"ls", "--sort", "--recursive", "-p", "/"},
	{"ls", "/d"},
	{"ls", "/a"},
	{"ls", "/none"},
	{"ls", "--quorum", "/md"},
	{"rm", "/d"},
	{"rm", "--dir", "/d"},
	{"rm", "--dir", "/md"},
	{"rm", "--recursive", "/d"},
	{"rm", "-r", "/none"},
	{"rm", "--with-value", "x", "/a"},
	{"rm", "--with-value", "5", "/a"},
	{"rm", "--with-index", "99", "/m"},
	{"rm", "/m"},
	{"rm", "/m"},
	{"rm", "/"},
	{"set", "/", "1"},
}

// TestAsEtcdctl runs the same command lines with etcdctl and with the registry command, each against an etcd of its
// own, so that even the indexes are the same.
func TestAsEtcdctl(t *testing.T) {
	t.Parallel()
	theirs, ours := difftest.StartEtcd(t).URL, difftest.StartEtcd(t).URL
	for _, args := range sameAsEtcdctl {
		want := runEtcdctl(t, theirs, args)
		got := runCommand(t.Context(), testEnv(args, "ROLLCALL_ENDPOINTS="+ours))
		if got != want {
			t.Errorf("registry %s:\n got %+v\nwant %+v", strings.Join(args, " "), got, want)
		}
	}
}

func runEtcdctl(t *testing.T, endpoint string, args []string) outcome {
	t.Helper()
	binary, err := exec.LookPath("etcdctl")
	if err != nil {
		t.Fatalf("etcdctl is missing (Debian package etcd-client; make test installs it): %v", err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"--endpoints", endpoint}, args...)...)
	cmd.Env = []string{"ETCDCTL_API=2"}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if _, isExit := errors.AsType[*exec.ExitError](err); err != nil && !isExit {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}
