package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestBackup(t *testing.T) {
	t.Parallel()
	c, f := newFake(t, Options{}, says(http.StatusOK, 7, "all of it"))
	b, err := c.Backup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(b); err != nil || string(got) != "all of it" || b.Endpoint != "http://a" {
		t.Errorf("%q from %s, %v", got, b.Endpoint, err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if asked := f.takeAsked(); !slices.Equal(asked, []string{"a GET /v1/backup"}) {
		t.Errorf("asked %v", asked)
	}
}

// TestBackupOfAnotherNode: a node that has none leads to the next.
func TestBackupOfAnotherNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := says(http.StatusOK, 7, "all of it")
		for failure, tt := range map[string]struct {
			node nodeFunc
			want string
		}{
			"refused":    {refused, "connection refused"},
			"cut":        {cut, "connection reset"},
			"hangs":      {hangs, "no answer within 5s"},
			"not ready":  {refuses(http.StatusServiceUnavailable, 301), "301: m"},
			"old server": {says(http.StatusNotFound, 0, "404 page not found"), "too old for backups"},
			"a proxy":    {says(http.StatusBadGateway, 0, "<html>"), "HTTP status 502"},
		} {
			c, _ := newFake(t, Options{}, tt.node, good)
			b, err := c.Backup(t.Context())
			if err != nil || b.Endpoint != "http://b" {
				t.Errorf("%s: %+v, %v; want the second node's", failure, b, err)
			} else if err := b.Close(); err != nil {
				t.Error(err)
			}
			c, _ = newFake(t, Options{Rounds: 1}, tt.node)
			if b, err := c.Backup(t.Context()); !IsUnavailable(err) || b != nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v, %v; want %q", failure, b, err, tt.want)
			}
		}
	})
}

// TestBackupThatBreaksOff: what ends before its end is an error, and names the node.
func TestBackupThatBreaksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for what, tt := range map[string]struct {
			node nodeFunc
			want string
			took time.Duration
		}{
			"a cut":   {brokenPoll(7, "half of it"), "http://a: unexpected EOF", 0},
			"silence": {silentPoll(7), "http://a: nothing came for 30s", backupSilence},
		} {
			c, _ := newFake(t, Options{}, tt.node)
			b, err := c.Backup(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			_, err = io.ReadAll(b)
			if err == nil || err.Error() != tt.want || time.Since(began) != tt.took {
				t.Errorf("%s: %v after %v", what, err, time.Since(began))
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestBackupMayTakeLong: only silence counts, not how long the caller takes with what came.
func TestBackupMayTakeLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newFake(t, Options{}, says(http.StatusOK, 7, "12345"))
		b, err := c.Backup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		got := ""
		for p := make([]byte, 1); ; time.Sleep(time.Hour) {
			n, err := b.Read(p)
			if got += string(p[:n]); errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if got != "12345" {
			t.Errorf("got %q", got)
		}
	})
}

func TestBackupThatIsNotWantedAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newFake(t, Options{}, silentPoll(7))
		ctx, cancel := context.WithCancel(t.Context())
		b, err := c.Backup(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		time.AfterFunc(time.Second, cancel)
		if _, err := io.ReadAll(b); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
