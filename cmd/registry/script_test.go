package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"rollcall/registry/httpapi/difftest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"registry": main})
}

// TestScripts runs the command as a user does: a script holds commands, input and output. Each script has a real etcd
// of its own, at $ETCD. With UPDATE_SCRIPTS set, wrong output is written into the scripts as the right one.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Cmds:          map[string]func(*testscript.TestScript, bool, []string){"code": codeCommand},
		Setup: func(env *testscript.Env) error {
			env.Setenv("ETCD", difftest.StartEtcd(env.T().(testing.TB)).URL)
			env.Setenv("GORACE", "atexit_sleep_ms=0") // Else each command sleeps a second at its end.
			return nil
		},
	})
}

// codeCommand runs a command and checks its exit code: code 4 registry get /none.
func codeCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code CODE COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if args[0] != strconv.Itoa(code) {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}
