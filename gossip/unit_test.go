package gossip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

var discard = slog.New(slog.DiscardHandler)

func TestThreeNodesOnLoopback(t *testing.T) {
	var nodes []*Node
	var states []*fake
	var seeds []string
	file := filepath.Join(t.TempDir(), "peers")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 3)
	for i := range 3 {
		s := newFake(uint64(i + 1))
		n, err := New(Config{
			Name: fmt.Sprint("node", i), Cluster: "loop", Listen: "127.0.0.1:0", Seeds: seeds,
			PeersFile: fmt.Sprint(file, i), State: s, Log: discard,
		})
		if err != nil {
			t.Fatal(err)
		}
		seeds = append(seeds, n.Addr())
		nodes, states = append(nodes, n), append(states, s)
		go func() { ended <- n.Run(ctx) }()
	}
	for i, n := range nodes {
		select {
		case <-n.Synced():
		case <-time.After(20 * time.Second):
			t.Fatal(n.Ready())
		}
		states[i].publish(fmt.Sprint("of ", i))
	}
	for end := time.Now().Add(20 * time.Second); states[0].total()+states[1].total()+states[2].total() < 9; {
		if time.Now().After(end) {
			t.Fatal("no convergence")
		}
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	for range nodes {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	known, err := openKnown(file+"0", discard, time.Now())
	if err != nil || len(known.list()) != 2 {
		t.Errorf("kept %v, %v", known.list(), err)
	}
}

func TestSeedNameWithManyAddresses(t *testing.T) {
	inBubble(t, func(c *cluster) {
		named := func(cfg *Config) {
			cfg.Resolve = func(_ context.Context, host string) ([]string, error) {
				if host != "registry.internal" {
					return nil, errors.New("no such host")
				}
				var ips []string
				for _, a := range addrs(0, 4) {
					ip, _, _ := net.SplitHostPort(a)
					ips = append(ips, ip)
				}
				return ips, nil
			}
		}
		seeds := []string{"registry.internal:7946", "nowhere.internal:7946"}
		var nodes []*member
		for i := range 4 {
			nodes = append(nodes, c.start(i, seeds, named))
		}
		c.whole(10*time.Second, nodes)
		time.Sleep(5 * time.Minute)
		if got := c.log.count("seed cannot be resolved"); got != 4 {
			t.Errorf("%d lines about the name that does not resolve", got)
		}
	})
}

func TestBusyAnswers(t *testing.T) {
	inBubble(t, func(c *cluster) {
		first := c.start(0, nil)
		for range 120 {
			first.state.publish(string(make([]byte, 60000)))
		}
		for first.server.takeSlot() { // as answers that take long
		}
		var nodes []*member
		for i := 1; i <= 12; i++ {
			nodes = append(nodes, c.start(i, addrs(0, 1)))
		}
		c.until(10*time.Second, "nodes are told to ask elsewhere", func() bool { return first.Stats().BusyGiven > 0 })
		if ready(nodes) {
			t.Error("all are ready without an answer")
		}
		for range maxServed {
			first.server.giveSlot()
		}
		c.until(time.Minute, "all have all", func() bool { return have(nodes, 120) && ready(nodes) })
	})
}

func TestPeerIsFoundByThePeersFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "peers")
	inBubble(t, func(c *cluster) {
		kept := func(cfg *Config) { cfg.PeersFile = file }
		a, b := c.start(0, nil), c.start(1, addrs(0, 1), kept)
		c.whole(5*time.Second, []*member{a, b})
		time.Sleep(DefaultRejoinInterval)
		b.stop()
		<-b.ended
		b = c.start(1, nil, kept)
		c.whole(15*time.Second, []*member{a, b})
	})
}

func TestLimiter(t *testing.T) {
	l, now := newLimiter(2), time.Unix(1000, 0)
	passed := 0
	for range 10 {
		if _, ok := l.pass("a", now); ok {
			passed++
		}
	}
	if held, ok := l.pass("a", now.Add(time.Minute)); passed != 2 || !ok || held != 8 {
		t.Errorf("%d passed, then %d were held back", passed, held)
	}
	for i := range 10 * maxKinds {
		l.pass(strconv.Itoa(i), now.Add(time.Minute))
	}
	if len(l.kinds) > maxKinds+1 {
		t.Errorf("%d kinds are kept", len(l.kinds))
	}
}

func TestMemberlistLines(t *testing.T) {
	i, log := newIntake("me"), &records{}
	l := newLines(slog.New(log), i)
	for _, line := range []string{
		"[DEBUG] memberlist: Stream connection from=10.0.0.1:1234",
		"[ERR] memberlist: Push/Pull with a failed: timeout",
		"[ERR] memberlist: Decrypt packet failed: x from=10.0.0.1:1234",
		"[ERR] memberlist: failed to receive: no installed keys could decrypt the message from=10.0.0.1:999",
		"[WARN] memberlist: handler queue full, dropping message (8) from=10.0.0.1:1",
		"[INFO] memberlist: Suspect node a has failed, no acks received",
		"[WARN] memberlist: Was able to connect to node b over TCP but UDP probes failed, network may be misconfigured",
	} {
		l.logger().Println(line)
	}
	if got := log.count("WARN"); got != 4 {
		t.Errorf("%d warnings: %q", got, log.lines)
	}
	if l.rejected.Load() != 2 || l.dropped.Load() != 1 || i.take().suspects["node a"] != Suspect {
		t.Errorf("%d rejected, %d dropped", l.rejected.Load(), l.dropped.Load())
	}
	if l.unanswered.Load() != 1 || l.fallbacks.Load() != 1 {
		t.Errorf("%d probes unanswered, %d answered by TCP alone", l.unanswered.Load(), l.fallbacks.Load())
	}
}

func TestInboxIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, begin := newInbox(), time.Now()
		put := 0
		for b.put(frame{framePush, 1, make([]byte, chunkSize)}, nil) {
			put++
		}
		if took := time.Since(begin); took != inboxWait || put > inboxBytes/chunkSize {
			t.Errorf("%d put, the next gave up after %v", put, took)
		}
		go func() {
			time.Sleep(time.Second)
			b.next()
		}()
		if !b.put(frame{framePush, 1, make([]byte, chunkSize)}, nil) {
			t.Error("no room after one was taken")
		}
	})
}

func TestPacer(t *testing.T) {
	var p pacer
	now := time.Unix(1000, 0)
	waits := []time.Duration{p.reserve(now, serveRate/2), p.reserve(now, serveRate), p.reserve(now.Add(2*time.Second), 1)}
	if want := []time.Duration{0, time.Second / 2, 0}; !slices.Equal(waits, want) {
		t.Errorf("waits %v", waits)
	}
}

func TestVerdict(t *testing.T) {
	began := time.Unix(1000, 0)
	for name, c := range map[string]struct {
		after time.Duration
		state syncState
		ready bool
	}{
		"a ready peer answered":   {0, syncState{synced: true, peers: 1, missing: 1}, true},
		"no peer yet":             {9 * time.Second, syncState{}, false},
		"no peer":                 {10 * time.Second, syncState{}, true},
		"one has not answered":    {time.Hour, syncState{peers: 2, missing: 1}, false},
		"all have, a moment ago":  {time.Second, syncState{peers: 2}, false},
		"all have, some time ago": {2 * time.Second, syncState{peers: 2}, true},
		"needs a peer, has none":  {time.Hour, syncState{needsPeer: true}, false},
		"needs one that is ready": {time.Hour, syncState{needsPeer: true, peers: 2}, false},
		"needs one, has it":       {0, syncState{needsPeer: true, synced: true, peers: 2}, true},
	} {
		r := newReadiness()
		r.start(began)
		r.meet(began, c.state.peers, c.state.peers)
		c.state.alone, c.state.settle = 10*time.Second, 2*time.Second
		if _, err := r.verdict(began.Add(c.after), c.state); (err == nil) != c.ready {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A disk that hangs gets one write of the peers at a time, and the latest when it answers.
func TestPeersOnAHangingDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		known, err := openKnown("", discard, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		answers := make(chan error)
		var written []string
		known.file = "peers"
		known.replace = func(_ string, content []byte) error {
			written = append(written, string(content))
			return <-answers
		}
		began := time.Now()
		for i := range 3 {
			known.note([]string{fmt.Sprint("10.0.0.", i, ":1")}, time.Now())
			known.save()
		}
		synctest.Wait()
		if took := time.Since(began); took != 3*saveTimeout || len(written) != 1 {
			t.Errorf("%v, %d writes", took, len(written))
		}
		go func() { answers <- nil; answers <- nil }()
		known.save()
		synctest.Wait()
		if want := "10.0.0.0:1\n10.0.0.1:1\n10.0.0.2:1\n"; len(written) != 2 || written[1] != want {
			t.Errorf("written: %q", written)
		}
	})
}
