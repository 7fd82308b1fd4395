package registry

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Changes, removals and directories reach the others, and watches there tell of each
// once.
func TestMergeEvents(t *testing.T) {
	inBubbleTrio(t, 2, Options{}, func(c *trio) {
		watch, err := c.stores[1].Watch(Root, WatchOptions{Recursive: true, Stream: true})
		if err != nil {
			t.Fatal(err)
		}
		defer watch.Close()
		put(t, c.stores[0], "/a/b", file("1"))
		c.exchange(0, 1)
		put(t, c.stores[0], "/a/b", file("2"))
		put(t, c.stores[0], "/a/c", file("3"))
		c.exchange(0, 1)
		c.exchange(0, 1)
		remove(t, c.stores[0], "/a/c")
		c.exchange(0, 1)
		remove(t, c.stores[0], "/a")
		c.exchange(0, 1)
		var got []string
		for _, n := range watch.queue {
			got = append(got, fmt.Sprintf("%s %s=%s", n.Action, n.Node.Key, n.Node.Value))
		}
		want := "set /a/b=1, set /a/b=2, set /a/c=3, delete /a/c=, delete /a="
		if strings.Join(got, ", ") != want {
			t.Errorf("events are %q, want %q", got, want)
		}
	})
}

// A node that was away for longer than removals are remembered does not bring back what
// was removed in the meantime, and keeps what it wrote alone.
func TestResetAfterLongAbsence(t *testing.T) {
	inBubbleTrio(t, 3, Options{Retention: time.Minute}, func(c *trio) {
		put(t, c.stores[2], "/by2", file("old"))
		for i := range 50 {
			put(t, c.stores[0], Key(fmt.Sprint("/kept/", i)), file(strings.Repeat("x", 100)))
		}
		put(t, c.stores[0], "/gone", file("old"))
		c.exchange(0, 1, 2)
		c.alive(0, 1)
		c.stores[2].Alive([]uint64{3})
		remove(t, c.stores[1], "/gone")
		remove(t, c.stores[1], "/by2")
		put(t, c.stores[2], "/alone", file("new"))
		c.pass(2*time.Minute, 0, 1)
		if n := c.stores[0].graves.byKey.Len(); n != 0 {
			t.Fatalf("%d removals are still remembered", n)
		}
		c.alive(0, 1, 2)
		c.exchange(0, 1, 2)
		c.wantEverywhere(false, "/gone", 0, 1, 2)
		c.wantEverywhere(false, "/by2", 0, 1, 2)
		c.wantEverywhere(true, "/alone", 0, 1, 2)
		c.wantEverywhere(true, "/kept/49", 0, 1, 2)
		if n := c.stores[2].Stats().Replication.Resets; n == 0 {
			t.Error("the copy was not replaced")
		}
		before := c.stores[2].Stats().Replication.Resets
		c.pass(10*time.Second, 0, 1, 2)
		if n := c.stores[2].Stats().Replication.Resets; n != before {
			t.Error("the copy is replaced again and again")
		}
	})
}

// A node that starts many times leaves a bounded number of authors.
func TestManyBoots(t *testing.T) {
	inBubbleTrio(t, 2, Options{}, func(c *trio) {
		for i := range 500 {
			o := Options{Author: uint64(10 + i), Tag: 3}
			c.stores = append(c.stores, New(o))
			boot := len(c.stores) - 1
			c.stores[0].Alive([]uint64{1, 2, o.Author})
			c.stores[1].Alive([]uint64{1, 2, o.Author})
			c.stores[boot].Alive([]uint64{1, 2, o.Author})
			c.send(0, boot)
			c.beat(boot, "/f/a")
			put(t, c.stores[boot], "/creds/last", file(strconv.Itoa(i)))
			if i%2 == 0 {
				put(t, c.stores[boot], Key(fmt.Sprint("/creds/boot", i)), file("x"))
			}
			c.send(boot, 0)
			c.send(0, 1)
			c.stores = c.stores[:boot]
			time.Sleep(600 * time.Millisecond)
		}
		c.alive(0, 1)
		c.pass(time.Minute, 0, 1)
		for i, s := range c.stores {
			if st := s.Stats(); st.Replication.Authors > adoptAbove+4 || st.Files != 251 {
				t.Errorf("node %d knows %d authors and %d files", i, st.Replication.Authors, st.Files)
			}
		}
		if a, b := held(c.stores[0]), held(c.stores[1]); a != b {
			t.Errorf("one holds:\n%s\nthe other:\n%s", a, b)
		}
	})
}

// A clock that is an hour ahead, or behind, takes nobody along, and nobody's writes are
// lost to it.
func TestClockSkew(t *testing.T) {
	for _, skew := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			inBubbleTrio(t, 3, Options{}, func(c *trio) {
				c.stores[2].clock.skew = skew
				put(t, c.stores[2], "/k", file("skewed"))
				put(t, c.stores[2], "/d/x", file("skewed"))
				c.exchange(0, 1, 2)
				if ahead := time.Until(time.UnixMicro(int64(c.stores[0].clock.last))); ahead > maxSkew {
					t.Errorf("the clock of node 0 has moved by %v", ahead)
				}
				put(t, c.stores[0], "/k", file("right"))
				remove(t, c.stores[0], "/d")
				c.exchange(0, 1, 2)
				put(t, c.stores[1], "/d/y", file("right"))
				c.exchange(0, 1, 2)
				for i, s := range c.stores {
					if r, err := s.Get("/k", GetOptions{}); err != nil || r.Value != "right" {
						t.Errorf("node %d has %q, %v", i, r.Value, err)
					}
				}
				c.wantEverywhere(false, "/d/x", 0, 1, 2)
				c.wantEverywhere(true, "/d/y", 0, 1, 2)
				c.beat(2, "/f/a")
				c.exchange(0, 1, 2)
				c.pass(testTTL-time.Second, 0, 1, 2)
				c.wantEverywhere(true, "/f/a", 0, 1, 2)
				c.pass(2*time.Second, 0, 1, 2)
				c.wantEverywhere(false, "/f/a", 0, 1, 2)
			})
		})
	}
}

// A node whose clock is behind, and that starts while it is cut off, keeps its hosts on
// all nodes: it objects when older versions of them expire elsewhere.
func TestObjection(t *testing.T) {
	inBubbleTrio(t, 4, Options{}, func(c *trio) {
		c.alive(0, 1, 2)
		c.beat(0, "/f/a")
		c.exchange(0, 1, 2)
		c.alive(1, 2)
		c.stores[3].Alive([]uint64{4}) // the new boot of node 0, alone
		c.stores[3].clock.skew = -time.Hour
		for range 6 {
			c.pass(3*time.Second, 1, 2)
			c.beat(3, "/f/a")
		}
		c.wantEverywhere(false, "/f/a", 1, 2)
		c.alive(1, 2, 3)
		c.exchange(1, 2, 3)
		c.wantEverywhere(true, "/f/a", 1, 2, 3)
	})
}

// Two nodes that have seen the same and hold different entries find out.
func TestMismatchIsRepaired(t *testing.T) {
	inBubbleTrio(t, 2, Options{}, func(c *trio) {
		put(t, c.stores[0], "/a", file("1"))
		put(t, c.stores[0], "/b", file("1"))
		c.exchange(0, 1)
		s := c.stores[1] // loses an entry by a fault that nobody has thought of
		s.mu.Lock()
		at, _ := s.tree.find("/a")
		at.node.rec.retire()
		s.tree.remove(at)
		s.mu.Unlock()
		for range 4 {
			c.exchange(0, 1)
		}
		c.wantEverywhere(true, "/a", 0, 1)
		if c.stores[0].Stats().Replication.Mismatches == 0 {
			t.Error("the mismatch is not counted")
		}
	})
}

// A node that never had a peer keeps nothing for one.
func TestAloneNothingGrows(t *testing.T) {
	inBubbleTrio(t, 1, Options{}, func(c *trio) {
		s := c.stores[0]
		for i := range 20_000 {
			key := Key(fmt.Sprint("/f/", i))
			put(t, s, key, file("v"))
			remove(t, s, key)
		}
		c.beat(0, "/f/x")
		time.Sleep(2 * testTTL)
		if st := s.Stats().Replication; st.Removals != 0 || s.self.log.Len() != 1 || len(s.graves.order) != 0 || st.Pending != 0 {
			t.Errorf("%+v, %d records", st, s.self.log.Len())
		}
		select {
		case <-s.News():
			t.Error("there is news for nobody")
		default:
		}
	})
}

// A bad record is dropped alone, counted, and told with its author once.
func TestBadRecords(t *testing.T) {
	var log strings.Builder
	s := New(Options{Author: 1, Log: slog.New(slog.NewTextHandler(&log, nil))})
	other := New(Options{Author: 2})
	s.Alive([]uint64{1, 2})
	by := other.self
	now := time.Now()
	good := func(seq uint64, key Key) []byte {
		return appendRecord(nil, incoming{record: &record{key: key, time: other.clock.next(now, 0), node: 2, author: by, seq: seq, kind: kindFile, action: Set}, value: "v"})
	}
	future := appendRecord(nil, incoming{record: &record{key: "/future", time: uint64(now.Add(25 * time.Hour).UnixMicro()), node: 2, author: by, seq: 4, kind: kindFile, action: Set}})
	records := [][]byte{good(1, "/a"), {3, 99, 1, 0}, good(2, "/../x"), {1, 0}, future, good(5, "/b")}
	delta := spanHead{author: 2, span: span{0, 5}, records: uint64(len(records))}.append(deltaHead{spans: 1}.encode())
	for _, r := range records {
		delta = append(delta, r...)
	}
	if news, gap, err := s.Apply(2, delta); !news || gap || err != nil {
		t.Errorf("news %v, gap %v, %v", news, gap, err)
	}
	for _, key := range []Key{"/a", "/b"} {
		if _, err := s.Get(key, GetOptions{}); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
	if st := s.Stats(); st.Replication.Refused != 4 || st.Files != 2 {
		t.Errorf("%d records refused, %d files", st.Replication.Refused, st.Files)
	}
	if n := strings.Count(log.String(), "author=2"); n != 1 {
		t.Errorf("the log has %d lines:\n%s", n, log.String())
	}
}

// A large value travels like any other.
func TestLargeValue(t *testing.T) {
	inBubbleTrio(t, 2, Options{}, func(c *trio) {
		large := strings.Repeat("x", 5<<20)
		put(t, c.stores[0], "/large", file(large))
		put(t, c.stores[0], "/small", file("x"))
		c.exchange(0, 1)
		if r, err := c.stores[1].Get("/large", GetOptions{}); err != nil || r.Value != large {
			t.Errorf("%d bytes, %v", len(r.Value), err)
		}
		c.wantEverywhere(true, "/small", 1)
	})
}

// Deltas of any size, cut off and lost anywhere, leave no record out.
func TestDeltasCutAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := New(Options{Author: 1}), New(Options{Author: 2})
		from.Alive([]uint64{1, 2})
		to.Alive([]uint64{1, 2})
		for range rapid.IntRange(1, 40).Draw(t, "writes") {
			key := Key("/k/" + rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "key"))
			if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
				_, _ = from.Delete(key, DeleteOptions{})
			} else if _, err := from.Put(key, PutOptions{Value: rapid.StringN(0, 50, -1).Draw(t, "value")}); err != nil {
				t.Fatal(err)
			}
		}
		for range 300 {
			have := to.Digest()
			delta, _, err := from.Delta(have, rapid.IntRange(1, 200).Draw(t, "size"))
			if err != nil {
				t.Fatal(err)
			}
			if delta == nil {
				break
			}
			if rapid.IntRange(0, 4).Draw(t, "cut") == 0 {
				delta = delta[:rapid.IntRange(0, len(delta)).Draw(t, "at")]
			}
			_, _, err = to.Apply(1, delta)
			if err != nil && !errors.Is(err, errMalformed) {
				t.Fatal(err)
			}
		}
		if a, b := held(from), held(to); a != b {
			t.Fatalf("one holds:\n%s\nthe other:\n%s", a, b)
		}
	})
}

// FuzzApply feeds a store what no node would send: it may refuse, but not break.
func FuzzApply(f *testing.F) {
	other := New(Options{Author: 2})
	other.Alive([]uint64{1, 2})
	for _, key := range []Key{"/a", "/a/b", "/c"} {
		_, _ = other.Put(key, putLeased("v", time.Minute))
		_, _ = other.Delete(key, DeleteOptions{Recursive: true})
		_, _ = other.Put(key, file("w"))
	}
	delta, then, err := other.Delta((&digest{}).append(nil), 1<<20)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(delta, then, appendVerdict([]byte{wireVersion}, verdictOn{key: "/a", time: 1, node: 2, left: 3}))
	f.Add([]byte{1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0}, []byte{1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, []byte{1})
	f.Fuzz(func(t *testing.T, delta, digest, mail []byte) {
		s := New(Options{Author: 1})
		s.Alive([]uint64{1, 2})
		_, _ = s.Put("/a/b", putLeased("v", time.Minute))
		_, _, _ = s.Apply(2, delta)
		_ = s.Mail(2, mail)
		s.Lacks(digest)
		_, _, _ = s.Delta(digest, 1<<16)
		s.upkeep()
		checkReplica(t, s)
		if d, err := parseDigest(digest); err == nil {
			if again, err := parseDigest(d.append(nil)); err != nil || len(again.marks) != len(d.marks) {
				t.Errorf("a digest does not print back: %v", err)
			}
		}
	})
}

// Of two peers that replace a copy at the same time one does; a replacement that breaks off
// is taken up again. Neither brings back what was removed.
func TestResetCompetingAndInterrupted(t *testing.T) {
	for name, parts := range map[string][]int{"competing": {0, 1}, "interrupted": {0}} {
		t.Run(name, func(t *testing.T) {
			inBubbleTrio(t, 3, Options{Retention: time.Minute}, func(c *trio) {
				for i := range 50 {
					put(t, c.stores[0], Key(fmt.Sprint("/kept/", i)), file(strings.Repeat("x", 100)))
				}
				put(t, c.stores[0], "/gone", file("old"))
				c.exchange(0, 1, 2)
				c.alive(0, 1)
				c.stores[2].Alive([]uint64{3})
				remove(t, c.stores[1], "/gone")
				c.pass(2*time.Minute, 0, 1)
				c.alive(0, 1, 2)
				have := [2][]byte{c.stores[2].Digest(), c.stores[2].Digest()}
				for range 4 { // of seven parts each
					for _, from := range parts {
						delta, then, err := c.stores[from].Delta(have[from], 1<<10)
						if err != nil {
							t.Fatal(err)
						}
						if _, _, err := c.stores[2].Apply(c.stores[from].Author(), delta); err != nil {
							t.Fatal(err)
						}
						have[from] = then
					}
				}
				time.Sleep(resetTimeout + time.Second)
				c.pass(5*time.Second, 0, 1, 2)
				c.wantEverywhere(false, "/gone", 0, 1, 2)
				c.wantEverywhere(true, "/kept/49", 0, 1, 2)
				if s := c.stores[2]; s.unclean || s.reset != nil || s.Stats().Replication.Resets != 1 {
					t.Errorf("unclean %v, session %v, %d replacements", s.unclean, s.reset != nil, s.Stats().Replication.Resets)
				}
			})
		})
	}
}
