package gossip

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// key returns a line of a key file.
func key(letter string) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(letter, 32))) + "\n"
}

// write writes a file of a test.
func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestParseKeys(t *testing.T) {
	for content, want := range map[string]string{
		key("a") + "\n# old\n  " + key("b"): "",
		"":                                  "there is no key in it",
		"# only this\n":                     "there is no key in it",
		key("a") + "???":                    "line 2 is not base64",
		"YWJj\n":                            "line 1 has 3 bytes, not 16, 24 or 32",
		key("a") + key("a"):                 "line 2 repeats a key",
	} {
		_, err := parseKeys([]byte(content))
		if got := fmt.Sprint(err); want != "" && got != want || want == "" && err != nil {
			t.Errorf("%q: %v", content, err)
		}
	}
}

func TestKeyFileChanges(t *testing.T) {
	file, log := filepath.Join(t.TempDir(), "keys"), &records{}
	write(t, file, key("a")+key("b")+key("c"))
	k, err := openKeys(file, slog.New(log))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ content, want string }{
		{key("a") + key("c"), "ac"},
		{key("a"), "a"},
		{key("a") + key("d"), "ad"},
		{key("d") + key("a"), "da"},
		{"nonsense", "da"},
		{"nonsense", "da"},
		{key("d"), "d"},
		{key("e") + key("f"), "ef"},
	} {
		write(t, file, step.content)
		k.look()
		var letters []byte
		for _, key := range k.ring.GetKeys() {
			letters = append(letters, key[0])
		}
		if got := string(letters); got != step.want {
			t.Errorf("after %q: keys %s, want %s", step.content, got, step.want)
		}
	}
	if k.failures.Load() != 1 || log.count("cannot be used") != 1 {
		t.Errorf("%d failures, %d lines", k.failures.Load(), log.count("cannot be used"))
	}
}

func TestKeyRotationLosesNothing(t *testing.T) {
	dir := t.TempDir()
	inBubble(t, func(c *cluster) {
		files := make([]string, 3)
		var nodes []*member
		for i := range files {
			files[i] = filepath.Join(dir, fmt.Sprint("keys", i))
			write(t, files[i], key("a"))
			nodes = append(nodes, c.start(i, addrs(0, 3), func(cfg *Config) {
				cfg.KeyFile, cfg.DigestInterval = files[i], time.Hour
			}))
		}
		c.whole(5*time.Second, nodes)
		total := 0
		for _, content := range []string{key("a") + key("b"), key("b") + key("a"), key("b")} {
			for _, file := range files {
				write(t, file, content)
				for range 30 {
					nodes[total%3].state.publish("record")
					total++
					time.Sleep(100 * time.Millisecond)
				}
			}
		}
		c.until(time.Second, "all have all", func() bool { return have(nodes, total) })
		for _, m := range nodes {
			s := m.Stats()
			if s.Rejected > 0 || s.Gaps > 0 || s.SendFailures > 0 {
				t.Errorf("%d rejected, %d gaps, %d failures", s.Rejected, s.Gaps, s.SendFailures)
			}
		}
	})
}

func TestStrangersStayOut(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), key("a"))
	write(t, filepath.Join(dir, "b"), key("b"))
	for name, change := range map[string]func(*Config){
		"another key":          func(cfg *Config) { cfg.KeyFile = filepath.Join(dir, "b") },
		"no key":               func(cfg *Config) { cfg.KeyFile = "" },
		"another cluster name": func(cfg *Config) { cfg.Cluster = "other" },
		"no cluster name":      func(cfg *Config) { cfg.Cluster = "" },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(c *cluster) {
				keyed := func(cfg *Config) { cfg.KeyFile = filepath.Join(dir, "a") }
				nodes := c.startAll(2, keyed)
				c.whole(5*time.Second, nodes)
				nodes[0].state.publish("secret")
				stranger := c.start(5, addrs(0, 2), keyed, change)
				time.Sleep(10 * time.Minute)
				if !isWhole(nodes) || stranger.state.total() != 0 || len(stranger.Members()) != 1 {
					t.Error("it is in")
				}
				// Two warn about one, one about two.
				if got := c.log.count("another key or cluster name"); got < 3 || got > 11*4 {
					t.Errorf("%d warnings in ten minutes: %q", got, c.log.lines)
				}
				if nodes[0].Stats().Rejected == 0 {
					t.Error("nothing was counted")
				}
			})
		})
	}
}
