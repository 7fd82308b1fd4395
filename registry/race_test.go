package registry

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"
)

// TestSideBySide lets writers, readers, watches and expiry work on one store at the
// same time, and then checks what each has seen against the history of it all.
func TestSideBySide(t *testing.T) {
	s := New(Options{History: 1 << 20, WatchQueue: 1 << 20})
	c := crowd{t: t, store: s, first: s.Index() + 1}
	writing, stopWriting := context.WithCancel(context.Background())
	following, stopFollowing := context.WithCancel(context.Background())
	var writers, others, readers sync.WaitGroup
	others.Go(func() { s.Run(writing) })
	for range 2 {
		others.Go(func() { c.read(writing) })
	}
	followers := []*follower{
		{key: "/", recursive: true},
		{key: "/p0", recursive: true},
		{key: "/p1"},
		{key: "/p1/k1"},
		{key: "/p2", recursive: true, resumes: true},
		{key: "/", recursive: true, resumes: true},
	}
	for _, f := range followers {
		w := watch(t, s, f.key, WatchOptions{Recursive: f.recursive, Stream: true})
		readers.Go(func() { c.follow(following, f, w) })
	}
	others.Go(func() { c.comeAndGo(writing) })
	for i := range 4 {
		writers.Go(func() { c.write(uint64(i)) })
	}
	writers.Wait()
	stopWriting()
	others.Wait() // nothing happens any more
	stopFollowing()
	readers.Wait()
	for _, f := range followers {
		rest, err := unread(f.watch)
		if err != nil {
			t.Errorf("watch on %s: %v", f.key, err)
		}
		f.got = append(f.got, rest...)
		f.watch.Close()
	}
	c.check(followers)
}

// crowd is all those who use a store side by side.
type crowd struct {
	t     *testing.T
	store *Store
	first uint64 // the first index that anybody can get

	mu    sync.Mutex
	swaps int
}

// follower is the reader of a watch with what it has seen.
type follower struct {
	key       Key
	recursive bool
	resumes   bool // closes and resumes all the time
	got       []*Event
	watch     *Watch // at the end
}

func (c *crowd) write(seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	last := uint64(0)
	for i := range 400 {
		dir := Key(fmt.Sprintf("/p%d", random.IntN(3)))
		key := dir.Child(fmt.Sprintf("k%d", random.IntN(5)))
		var e *Event
		var err error
		switch random.IntN(12) {
		case 0:
			e, err = c.store.Delete(dir, DeleteOptions{Recursive: true})
		case 1, 2:
			e, err = c.store.Delete(key, DeleteOptions{})
		case 3, 4, 5:
			e, err = c.store.Put(key, putLeased("l", time.Duration(1+random.IntN(3))*time.Millisecond))
		case 6, 7:
			e, err = c.store.CreateInOrder(dir, putLeased(strconv.Itoa(i), 5*time.Millisecond))
		case 8:
			c.swap()
		default:
			e, err = c.store.Put(key, file(strconv.Itoa(i)))
		}
		if err != nil || e == nil {
			continue
		}
		if e.Index() <= last {
			c.t.Errorf("a writer gets index %d after %d", e.Index(), last)
		}
		last = e.Index()
	}
}

// swap adds one to a counter by compare-and-swap.
func (c *crowd) swap() {
	r, err := c.store.Get("/counter", GetOptions{})
	if err != nil {
		_, err = c.store.Put("/counter", PutOptions{Value: "1", Exist: MustNotExist})
	} else {
		n, _ := strconv.Atoi(r.Value)
		_, err = c.store.Put("/counter", PutOptions{Value: strconv.Itoa(n + 1), PrevValue: r.Value})
	}
	if err == nil {
		c.mu.Lock()
		c.swaps++
		c.mu.Unlock()
	}
}

func (c *crowd) read(ctx context.Context) {
	last := uint64(0)
	for ctx.Err() == nil {
		begin := time.Now()
		r, err := c.store.Get("/", GetOptions{Recursive: true})
		if err != nil || r.Index < last {
			c.t.Errorf("a reader gets index %d after %d, %v", r.Index, last, err)
			return
		}
		last = r.Index
		r.Rendering.Get(begin, func() ([]byte, time.Time) { return nil, time.Time{} })
		c.examine(begin, r.Index, r.Entries)
	}
}

// examine fails when a listing is not sorted, of the future or of the past.
func (c *crowd) examine(begin time.Time, index uint64, entries []Listing) {
	for i, entry := range entries {
		if i > 0 && entries[i-1].Key >= entry.Key {
			c.t.Errorf("%s is listed before %s", entries[i-1].Key, entry.Key)
		}
		if entry.ModifiedIndex > index {
			c.t.Errorf("%s has index %d in a listing of %d", entry.Key, entry.ModifiedIndex, index)
		}
		if entry.HasLease() && !entry.Expiration(time.Now()).After(begin) {
			c.t.Errorf("%s is listed %v after its deadline", entry.Key, begin.Sub(entry.Expiration(time.Now())))
		}
		c.examine(begin, index, entry.Entries)
	}
}

func (c *crowd) follow(ctx context.Context, f *follower, w *Watch) {
	for {
		if f.resumes && len(f.got)%3 == 2 {
			w.Close()
			since := f.got[len(f.got)-1].Index() + 1
			var err error
			if w, err = c.store.Watch(f.key, WatchOptions{Recursive: f.recursive, Stream: true, Since: since}); err != nil {
				c.t.Errorf("resume: %v", err)
				return
			}
		}
		e, err := w.Next(ctx)
		if err != nil {
			f.watch = w
			return
		}
		f.got = append(f.got, e.Event)
	}
}

// comeAndGo begins and ends watches all the time, and looks at the figures.
func (c *crowd) comeAndGo(ctx context.Context) {
	for ctx.Err() == nil {
		for _, o := range []WatchOptions{{}, {Since: 1}, {Recursive: true, Stream: true, Since: c.store.Index()}} {
			w, err := c.store.Watch("/p0", o)
			if err != nil {
				c.t.Errorf("watch: %v", err)
				return
			}
			w.Close()
		}
		if st := c.store.Stats(); st.Files < 0 || st.Dirs < 0 || st.Leases > st.Files+st.Dirs {
			c.t.Errorf("impossible figures: %+v", st)
		}
	}
}

// TestWritersNeverWait has watches that nobody ever reads.
func TestWritersNeverWait(t *testing.T) {
	s := New(Options{WatchQueue: 8})
	for i := range 100 {
		watch(t, s, []Key{"/", "/d", "/d/x", "/d/x/y"}[i%4], WatchOptions{Recursive: true, Stream: i%3 > 0})
	}
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for range 100 {
				put(t, s, "/d/x", file("1"))
			}
		})
	}
	writers.Wait()
	if got := s.Stats(); got.WatchesLost != 50 || got.Watchers != 25 {
		t.Errorf("%d watches lost, %d left; want the 50 streams that saw it and the 25 below it", got.WatchesLost, got.Watchers)
	}
}
