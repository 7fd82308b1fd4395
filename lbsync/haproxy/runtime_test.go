package haproxy

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollcall/lbsync"
)

// fakeSocket listens and hands each connection to talk, after one command has been read.
func fakeSocket(t *testing.T, talk func(conn net.Conn, command string)) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hx") //nolint:usetesting // Those of t.TempDir are too long for a socket's path.
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = listener.Close()  // Nobody listens any more after this.
		_ = os.RemoveAll(dir) // What is left lies in the system's directory for that.
	})
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }() // The client sees what is missing.
				buf := make([]byte, 4096)
				n, _ := conn.Read(buf) // As above.
				talk(conn, strings.TrimSpace(string(buf[:n])))
			}()
		}
	}()
	return path
}

// Whatever is at the socket that is no HAProxy ends in an error within the time of a command.
func TestSocketOfSomethingElse(t *testing.T) {
	say := func(text string) func(net.Conn, string) {
		return func(conn net.Conn, _ string) { _, _ = conn.Write([]byte(text)) } // The client sees what is missing.
	}
	for name, talk := range map[string]func(net.Conn, string){
		"hangs":    func(conn net.Conn, _ string) { waitForEnd(conn) },
		"partial":  func(conn net.Conn, _ string) { say("Name: HAProxy\nPid: 1")(conn, ""); waitForEnd(conn) },
		"drips":    drip,
		"cut off":  say("Name: HAProxy\nPid: 1"),
		"garbage":  say("\x00\xff\xfe garbage\n"),
		"silent":   say(""),
		"empty":    say("\n"),
		"half way": halfWay,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := driverOf(t, fakeSocket(t, talk))
			began := time.Now()
			live, err := d.Live(t.Context(), renderOne(t, d))
			if err == nil {
				t.Errorf("no error: %+v", live)
			}
			if took := time.Since(began); took > commandTimeout+500*time.Millisecond {
				t.Errorf("took %v", took)
			}
		})
	}
}

// waitForEnd returns when the client has closed the connection altogether.
func waitForEnd(conn net.Conn) {
	for {
		if _, err := conn.Write(nil); err != nil {
			return
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			<-time.After(commandTimeout) // The client has closed its side for writing, and waits.
			return
		}
	}
}

// drip answers without ever coming to an end.
func drip(conn net.Conn, _ string) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if _, err := conn.Write([]byte("Name: HAProxy\n")); err != nil {
			return
		}
	}
}

// halfWay is a HAProxy whose statistics break off.
func halfWay(conn net.Conn, command string) {
	reply := map[string]string{
		askInfo:   "Name: HAProxy\nPid: 1\n\n",
		askMarker: "Variable not found.\n\n",
		askStat:   "# pxname,svname,scur,slim,status,bck,type\nfrontends,BACKEND,0,0,UP,0,1\n",
	}[command]
	_, _ = conn.Write([]byte(reply)) // The client sees what is missing.
}

func driverOf(t *testing.T, path string) *Driver {
	t.Helper()
	d := newDriver(t, lbsync.HAProxy{Bind: ":80", RuntimeSocket: path, Services: []string{"frontends"}}, Options{})
	return d.(*Driver)
}

func renderOne(t *testing.T, d *Driver) []byte {
	t.Helper()
	file, err := d.Render([]lbsync.Pool{pool(t, "frontends", "10.0.1.1")})
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestNobodyListens(t *testing.T) {
	d := driverOf(t, filepath.Join(t.TempDir(), "none"))
	if live, err := d.Live(t.Context(), renderOne(t, d)); err != nil || live.Running || live.Blind {
		t.Errorf("%+v %v", live, err)
	}
	if plan, err := d.Plan(t.Context(), renderOne(t, d)); err != nil || plan.Running {
		t.Errorf("%+v %v", plan, err)
	}
}

func TestBlind(t *testing.T) {
	d := newDriver(t, lbsync.HAProxy{Bind: ":80"}, Options{})
	if live, err := d.Live(t.Context(), renderOne(t, d.(*Driver))); err != nil || !live.Blind {
		t.Errorf("without a socket: %+v %v", live, err)
	}
	if live, err := driverOf(t, "/nobody").Live(t.Context(), []byte("backend a\n")); err != nil || !live.Blind {
		t.Errorf("without a marker: %+v %v", live, err)
	}
}

// No byte that begins another command, a payload or a quotation goes to HAProxy.
func TestCommandsThatAreNotSent(t *testing.T) {
	path := fakeSocket(t, func(_ net.Conn, command string) { t.Errorf("%q was sent", command) })
	for _, command := range []string{
		"", "show info;disable frontend f", "show info\ndisable frontend f", "add server a/b 10.0.0.1:80\r", `a\ b`, "set x <<",
		"a 'b'", `a "b"`, "a\x00", "é", "a\tb", "a $HOME", "a {b}", "a # b", strings.Repeat("a", maxCommand+1),
	} {
		if _, err := (socket{path, time.Second}).ask(context.Background(), command); err == nil {
			t.Errorf("%q: no error", command)
		}
	}
}

func TestBadSocketPaths(t *testing.T) {
	for _, path := range []string{"rt.sock", "/run/a b", "/run/a\nlua-load x", "/run/a#", "/run/$HOME", `/run/"a"`} {
		for _, conf := range []lbsync.HAProxy{{Bind: ":80", RuntimeSocket: path}, {Bind: ":80", MasterSocket: path}} {
			if _, err := NewTarget(conf, Options{}); err == nil {
				t.Errorf("%q is accepted", path)
			}
		}
	}
}
