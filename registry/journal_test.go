package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// memory is a journal without a disk, with faults on demand.
type memory struct {
	mu      sync.Mutex
	kept    map[string]string
	commits int
	synced  int           // commits with sync
	fault   error         // what Err says
	broken  error         // what Commit fails with
	held    chan struct{} // Commit waits until it is closed; nil for not
	failed  chan struct{} // what Failed returns; nil for never
}

func (m *memory) Load(visit func(key, value []byte) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(m.kept)) {
		if err := visit([]byte(key), []byte(m.kept[key])); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Commit(changes []Change, sync bool) error {
	m.mu.Lock()
	held := m.held
	m.mu.Unlock()
	if held != nil {
		<-held
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		m.fault = m.broken
		return m.broken
	}
	if m.kept == nil {
		m.kept = map[string]string{}
	}
	for _, c := range changes {
		if c.Value == nil {
			delete(m.kept, string(c.Key))
		} else {
			m.kept[string(c.Key)] = string(c.Value)
		}
	}
	m.commits++
	if sync {
		m.synced++
	}
	return nil
}

func (m *memory) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fault
}

func (m *memory) Failed() <-chan struct{} { return m.failed }

func (m *memory) set(change func(*memory)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

// counts returns how many commits there were, and how many of them with a sync.
func (m *memory) counts() (commits, synced int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.commits, m.synced
}

// attached returns a store that goes on from a journal, with Keep running until the test ends
// or stop is called.
func attached(t *testing.T, j Journal, o Options) (s *Store, stop func()) {
	t.Helper()
	s = New(o)
	if err := s.Attach(j); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Keep(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return s, stop
}

// full is what a store holds that counts after a restart: entries, removals and marks.
func full(s *Store) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var lines []string
	note := func(what string, r *record) {
		if r != nil {
			lines = append(lines, fmt.Sprintf("%s %s kind %d version %d.%d by %d/%d moves %d derived %v", what, r.key, r.kind, r.time, r.node, r.author.id, r.seq, r.moves, r.is(derived)))
		}
	}
	walk(s.tree.root, func(n *Node) {
		note("entry", n.rec)
		lines = append(lines, fmt.Sprintf("%s dir %v value %q ttl %v", n.Key, n.IsDir(), n.Value, n.TTL()))
	})
	s.graves.byKey.Scan(func(_ Key, g grave) bool {
		note("removal", g.entry)
		note("cut", g.cut)
		return true
	})
	for _, a := range s.inOrderLocked() {
		if a.have > 0 {
			lines = append(lines, fmt.Sprintf("author %d %+v derived %d sums %v", a.id, a.saved(), a.derived, a.sums))
		}
	}
	return strings.Join(append(lines, fmt.Sprint(s.peered, s.unclean)), "\n")
}

// A store that is loaded from its journal holds what the former run held, whatever records
// had come together there.
func TestJournalHoldsTheState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		j := new(memory)
		s := newJoinStore(100)
		if err := s.Attach(j); err != nil {
			t.Fatal(err)
		}
		for _, d := range drawRecords(t, rapid.IntRange(1, 20).Draw(t, "n")) {
			mergeDrawn(t, s, d)
			s.sawSpan(s.author(d.Author), spanHead{span: span{d.Seq - 1, d.Seq}})
			switch rapid.IntRange(0, 6).Draw(t, "then") {
			case 0:
				if err := s.save(); err != nil {
					t.Fatal(err)
				}
			case 1:
				_, _, _ = s.writeNow(Set, func(now time.Time) (*Event, *Error) {
					return s.setLocked(now, "/a/own", file(strconv.FormatUint(d.Seq, 10)))
				})
			case 2:
				_, _, _ = s.writeNow(Delete, func(now time.Time) (*Event, *Error) {
					return s.deleteLocked(now, d.Key, DeleteOptions{Recursive: true})
				})
			case 3:
				s.Alive([]uint64{100, 11, 12}) // 13's leases run
			}
		}
		if err := s.save(); err != nil {
			t.Fatal(err)
		}
		again := New(Options{Author: 200})
		if err := again.Attach(j); err != nil {
			t.Fatal(err)
		}
		if want, got := full(s), full(again); want != got {
			t.Fatalf("before:\n%s\nafter:\n%s", want, got)
		}
		checkReplica(t, again)
		if err := again.save(); err != nil {
			t.Fatal(err)
		}
		if again.unsaved.marks[100] != s.self.saved() {
			t.Fatalf("marks %v", again.unsaved.marks)
		}
	})
}

// A write without a lease is answered when it is on disk; a lease, and what renews it, asks
// for no disk at all.
func TestWritesWaitForTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &memory{held: make(chan struct{})}
		s, _ := attached(t, j, Options{})
		put(t, s, "/hosts/a", putLeased("1", time.Minute))
		put(t, s, "/hosts/a", putLeased("1", time.Minute))
		done := make(chan struct{})
		go func() {
			defer close(done)
			put(t, s, "/creds", file("secret"))
		}()
		synctest.Wait()
		select {
		case <-done:
			t.Error("answered before it was on disk")
		default:
		}
		close(j.held)
		<-done
		if _, synced := j.counts(); synced != 1 {
			t.Errorf("%d commits with a sync, want 1", synced)
		}
		again, _ := attached(t, j, Options{})
		if got := value(t, again, "/creds"); got != "secret" {
			t.Errorf("after a restart: %q", got)
		}
	})
}

// value reads a file.
func value(t *testing.T, s *Store, key Key) string {
	t.Helper()
	r, err := s.Get(key, GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r.Value
}

// Leases reach the disk within a second, without a sync, and heartbeats never do.
func TestLeasesReachTheDiskInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(memory)
		s, _ := attached(t, j, Options{})
		put(t, s, "/hosts/a", putLeased("1", time.Minute))
		time.Sleep(time.Second)
		if commits, synced := j.counts(); commits != 1 || synced != 1 {
			t.Errorf("%d commits, %d with a sync; want one, with a sync for the directory", commits, synced)
		}
		put(t, s, "/hosts/b", putLeased("1", time.Minute))
		time.Sleep(time.Second)
		if commits, synced := j.counts(); commits != 2 || synced != 1 {
			t.Errorf("%d commits, %d with a sync, after another lease; want 2 and 1", commits, synced)
		}
		for range 10 {
			put(t, s, "/hosts/b", putLeased("1", time.Minute))
			time.Sleep(time.Second)
		}
		if commits, _ := j.counts(); commits != 2 {
			t.Errorf("heartbeats made %d commits", commits-2)
		}
		again, _ := attached(t, j, Options{})
		if got := value(t, again, "/hosts/b"); got != "1" {
			t.Errorf("after a restart: %q", got)
		}
	})
}

// After a restart leases have their whole TTL, from when the node has what its peers have.
func TestRestartGivesLeasesTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(memory)
		s, stop := attached(t, j, Options{})
		put(t, s, "/hosts/silent", putLeased("1", 5*time.Second))
		put(t, s, "/hosts/beats", putLeased("1", 5*time.Second))
		time.Sleep(4 * time.Second)
		stop()
		again, _ := attached(t, j, Options{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go again.Run(ctx)
		time.Sleep(8 * time.Second) // the first sync takes longer than the TTL
		if n := again.Stats().Leases; n != 2 {
			t.Errorf("%d leases before the first sync, want 2", n)
		}
		put(t, again, "/hosts/beats", putLeased("1", 5*time.Second))
		again.Synced()
		time.Sleep(4900 * time.Millisecond)
		if n := again.Stats().Leases; n != 2 {
			t.Errorf("%d leases after all but a TTL, want 2", n)
		}
		put(t, again, "/hosts/beats", putLeased("1", 5*time.Second))
		time.Sleep(200 * time.Millisecond)
		if _, err := again.Get("/hosts/silent", GetOptions{}); err == nil {
			t.Error("a silent host is there after more than its TTL")
		}
		value(t, again, "/hosts/beats")
	})
}

// Indexes of durable entries survive; those of leases, which heartbeats change, are new.
func TestRestartKeepsIndexes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(memory)
		s, stop := attached(t, j, Options{})
		put(t, s, "/creds", file("1"))
		want := put(t, s, "/creds", PutOptions{Value: "2", Exist: MustExist})
		put(t, s, "/host", putLeased("1", time.Minute))
		last := put(t, s, "/host", putLeased("1", time.Minute)).Index()
		stop()
		again, _ := attached(t, j, Options{AfterIndex: s.Index()})
		got, err := again.Get("/creds", GetOptions{})
		if err != nil || got.CreatedIndex != want.Node.CreatedIndex || got.ModifiedIndex != want.Node.ModifiedIndex {
			t.Errorf("after a restart %d, %d, %v; before %d, %d", got.CreatedIndex, got.ModifiedIndex, err, want.Node.CreatedIndex, want.Node.ModifiedIndex)
		}
		if host, err := again.Get("/host", GetOptions{}); err != nil || host.ModifiedIndex <= last || host.ModifiedIndex > again.Index() {
			t.Errorf("the host has index %d, %v; it had %d", host.ModifiedIndex, err, last)
		}
	})
}

// A journal that no node has written is refused.
func TestDamagedJournal(t *testing.T) {
	good := new(memory)
	s := New(Options{})
	if err := s.Attach(good); err != nil {
		t.Fatal(err)
	}
	put(t, s, "/a/lease", putLeased("1", time.Minute))
	if err := s.save(); err != nil {
		t.Fatal(err)
	}
	for key, value := range good.kept {
		damages := map[string][2]string{"cut off": {key, value[:len(value)-1]}, "unknown": {"?" + key, value}}
		if key[0] != savedMetaKind {
			damages["gone"] = [2]string{"m", good.kept["m"]}
			damages["other key"] = [2]string{key + "x", value}
		}
		for what, bad := range damages {
			j := &memory{kept: maps.Clone(good.kept)}
			delete(j.kept, key)
			j.kept[bad[0]] = bad[1]
			if err := New(Options{}).Attach(j); err == nil && (key[0] != savedKeyKind || what != "cut off") {
				t.Errorf("%q is taken, %s", bad, what) // a value that is cut off is the disk's to find
			}
		}
	}
}

// The number of a run is above that of the run before, wherever the clock is.
func TestRunsGoUp(t *testing.T) {
	j := new(memory)
	s := New(Options{Author: NewAuthor(time.Now().Add(time.Hour))})
	if err := s.Attach(j); err != nil {
		t.Fatal(err)
	}
	put(t, s, "/a", putLeased("1", time.Minute))
	if err := s.save(); err != nil {
		t.Fatal(err)
	}
	again := New(Options{})
	if err := again.Attach(j); err != nil {
		t.Fatal(err)
	}
	if again.Author() <= s.Author() {
		t.Errorf("run %d comes after %d", again.Author(), s.Author())
	}
	put(t, again, "/b", putLeased("1", time.Minute))
	checkReplica(t, again)
}

// A directory's heartbeats do not touch the disk.
func TestDirectoryHeartbeatsAreNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(memory)
		s, _ := attached(t, j, Options{})
		put(t, s, "/pool", PutOptions{Dir: true, TTL: time.Minute})
		time.Sleep(time.Second)
		j.set(func(m *memory) { m.commits = 0 })
		for range 3 {
			time.Sleep(time.Second)
			put(t, s, "/pool", PutOptions{Dir: true, TTL: time.Minute, Exist: MustExist})
		}
		time.Sleep(time.Second)
		if commits, _ := j.counts(); commits != 0 {
			t.Errorf("%d commits", commits)
		}
	})
}
