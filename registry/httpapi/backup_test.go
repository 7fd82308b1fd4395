package httpapi

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/registry"
	"rollcall/registry/backup"
)

func TestBackup(t *testing.T) {
	store := registry.New(registry.Options{})
	put(t, store, "/a/b", "1")
	put(t, store, "/_hidden", "2")
	w := call(New(store, Options{Name: "dot", Cluster: "blue"}), "GET", "/v1/backup", "")
	got := map[registry.Key]string{}
	sum, err := backup.Read(w.Body, func(e registry.Entry) error { got[e.Key] = e.Value; return nil })
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d, %v", w.Code, err)
	}
	if sum.Node != "dot" || sum.Cluster != "blue" || sum.Index != store.Index() || fmt.Sprint(got) != "map[/_hidden:2 /a: /a/b:1]" {
		t.Errorf("%+v, %v", sum, got)
	}
	if h := w.Header(); h.Get("Content-Type") != "application/octet-stream" || h.Get("X-Etcd-Index") != strconv.FormatUint(sum.Index, 10) {
		t.Errorf("%v", h)
	}
	if w := call(New(store, Options{}), "POST", "/v1/backup", ""); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

// Half a state is no backup.
func TestBackupOfANodeThatIsNotReady(t *testing.T) {
	h := New(registry.New(registry.Options{}), Options{Refuse: func() error { return errors.New("no peer has answered") }})
	w := call(h, "GET", "/v1/backup", "")
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), `"errorCode":301`) || !strings.Contains(w.Body.String(), "no peer has answered") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// backupOverPipe asks a server for a backup of some megabytes and returns the answer's body.
func backupOverPipe(t *testing.T) (body io.Reader) {
	t.Helper()
	store := registry.New(registry.Options{})
	for i := range 40 {
		put(t, store, registry.Key("/"+strconv.Itoa(i)), strings.Repeat("x", 100<<10))
	}
	server := NewServer(New(store, Options{}), slog.New(slog.DiscardHandler))
	l, client := newPipeListener()
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		client.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	fmt.Fprint(client, "GET /v1/backup HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(client), nil)
	if err != nil || resp.StatusCode != http.StatusOK || resp.ContentLength != -1 {
		t.Fatalf("%+v, %v", resp, err)
	}
	return resp.Body
}

// A backup may take much longer than other answers, as long as it goes on.
func TestBackupToASlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := backupOverPipe(t)
		var got bytes.Buffer
		began := time.Now()
		for {
			_, err := io.CopyN(&got, body, 50<<10)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(writeTimeout / 4) // of the bubble's time
		}
		if took := time.Since(began); took < 10*writeTimeout {
			t.Errorf("it took %v only", took)
		}
		if sum, err := backup.Verify(&got); err != nil || sum.Entries != 40 {
			t.Errorf("%+v, %v", sum, err)
		}
	})
}

// A client that does not read is given up, and sees that it does not have all.
func TestBackupToAClientThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := backupOverPipe(t)
		time.Sleep(watchWriteTimeout + time.Second)
		synctest.Wait()
		_, err := backup.Verify(body)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the connection is still there: %v", err)
		}
	})
}
