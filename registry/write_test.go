package registry

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// furnished returns a store with an entry of each kind, and the index of /file.
func furnished(t *testing.T) (*Store, uint64) {
	t.Helper()
	s := New(Options{})
	index := put(t, s, "/file", file("one")).Index()
	put(t, s, "/empty", file(""))
	put(t, s, "/dir/file", file("1"))
	put(t, s, "/void", PutOptions{Dir: true})
	put(t, s, "/secret/_h", file("1"))
	return s, index
}

// TestPutAnswers has the rules of etcd's PUT as a table: the answer as
// "action created|kept|new", or the refusal as "code cause".
func TestPutAnswers(t *testing.T) {
	const (
		wrong = 99
		right = 1 // replaced by the index of /file
	)
	tests := []struct {
		name string
		key  Key
		opts PutOptions
		want string
	}{
		{"new key", "/new", file("1"), "set new"},
		{"new key, deep", "/a/b/c", file("1"), "set new"},
		{"set renews createdIndex", "/file", file("one"), "set renewed"},
		{"directory over file", "/file", PutOptions{Dir: true}, "set renewed"},
		{"directory over directory", "/dir", PutOptions{Dir: true}, "102 /dir"},
		{"file over directory", "/void", file("1"), "102 /void"},
		{"below a file", "/file/x/y", file("1"), "104 /file"},
		{"root", "/", file("1"), "107 /"},
		{"root, create", "/", PutOptions{Exist: MustNotExist}, "107 /"},
		{"root, update", "/", PutOptions{Exist: MustExist, Dir: true}, "107 /"},
		{"root, swap", "/", PutOptions{PrevValue: "x"}, "107 /"},

		{"create", "/new", PutOptions{Exist: MustNotExist}, "create new"},
		{"create directory", "/new", PutOptions{Exist: MustNotExist, Dir: true}, "create new"},
		{"create over file", "/file", PutOptions{Exist: MustNotExist}, "105 /file"},
		{"create over directory", "/dir", PutOptions{Exist: MustNotExist, Dir: true}, "105 /dir"},
		{"create below a file", "/file/x", PutOptions{Exist: MustNotExist}, "104 /file"},
		{"create wins over conditions", "/new", PutOptions{Exist: MustNotExist, PrevValue: "x", PrevIndex: wrong}, "create new"},

		{"update", "/file", PutOptions{Exist: MustExist, Value: "two"}, "update kept"},
		{"update of a missing key", "/none/b/c", PutOptions{Exist: MustExist}, "100 /none"},
		{"update below a file", "/file/x", PutOptions{Exist: MustExist}, "104 /file"},
		{"update of a directory", "/dir", PutOptions{Exist: MustExist, Dir: true}, "update kept"},
		{"update of a directory without dir", "/dir", PutOptions{Exist: MustExist}, "update kept"},
		{"update of a directory with a value", "/dir", PutOptions{Exist: MustExist, Dir: true, Value: "x"}, "102 /dir"},
		{"update of a file with dir", "/file", PutOptions{Exist: MustExist, Dir: true}, "update kept"},

		{"swap by value", "/file", PutOptions{PrevValue: "one"}, "compareAndSwap kept"},
		{"swap by index", "/file", PutOptions{PrevIndex: right}, "compareAndSwap kept"},
		{"swap by both", "/file", PutOptions{PrevValue: "one", PrevIndex: right}, "compareAndSwap kept"},
		{"swap, must exist", "/file", PutOptions{PrevValue: "one", Exist: MustExist}, "compareAndSwap kept"},
		{"swap, wrong value", "/file", PutOptions{PrevValue: "two"}, "101 [two != one]"},
		{"swap, wrong value, right index", "/file", PutOptions{PrevValue: "two", PrevIndex: right}, "101 [two != one]"},
		{"swap, wrong index", "/file", PutOptions{PrevIndex: wrong}, "101 [99 != INDEX]"},
		{"swap, right value, wrong index", "/file", PutOptions{PrevValue: "one", PrevIndex: wrong}, "101 [99 != INDEX]"},
		{"swap, both wrong", "/file", PutOptions{PrevValue: "two", PrevIndex: wrong}, "101 [two != one] [99 != INDEX]"},
		{"swap of an empty value", "/empty", PutOptions{PrevValue: "x"}, "101 [x != ]"},
		{"swap of a missing key", "/none/x", PutOptions{PrevValue: "x"}, "100 /none"},
		{"swap below a file", "/file/x", PutOptions{PrevValue: "x"}, "104 /file"},
		{"swap of a directory", "/dir", PutOptions{PrevValue: "x", Dir: true}, "102 /dir"},

		{"refresh", "/file", PutOptions{Refresh: true, TTL: time.Hour}, "set renewed"},
		{"refresh, must exist", "/file", PutOptions{Refresh: true, TTL: time.Hour, Exist: MustExist}, "update kept"},
		{"refresh with a condition", "/file", PutOptions{Refresh: true, TTL: time.Hour, PrevIndex: right}, "compareAndSwap kept"},
		{"refresh of a missing key", "/none/x", PutOptions{Refresh: true, TTL: time.Hour}, "100 /none"},
		{"refresh of a directory", "/dir", PutOptions{Refresh: true, TTL: time.Hour}, "102 /dir"},
		{"refresh of a directory, must exist", "/dir", PutOptions{Refresh: true, TTL: time.Hour, Exist: MustExist}, "update kept"},
		{"refresh, must not exist", "/new", PutOptions{Refresh: true, TTL: time.Hour, Exist: MustNotExist}, "create new"},
	}
	for _, tt := range tests {
		s, index := furnished(t)
		if tt.opts.PrevIndex == right {
			tt.opts.PrevIndex = index
		}
		before, state := s.Index(), entries(s)
		e, err := s.Put(tt.key, tt.opts)
		want := strings.ReplaceAll(tt.want, "INDEX", strconv.FormatUint(index, 10))
		if got := answered(t, e, err); got != want {
			t.Errorf("%s: %q, want %q", tt.name, got, want)
		}
		if err == nil {
			continue
		}
		if diff := gocmp.Diff(state, entries(s)); diff != "" || s.Index() != before {
			t.Errorf("%s: the refusal has changed something (-before +after):\n%s", tt.name, diff)
		}
	}
}

// answered renders the answer to a write.
func answered(t *testing.T, e *Event, err error) string {
	t.Helper()
	switch {
	case err != nil:
		return refusal(t, err)
	case e.Prev == nil:
		return fmt.Sprintf("%v new", e.Action)
	case e.Node.CreatedIndex == e.Prev.CreatedIndex:
		return fmt.Sprintf("%v kept", e.Action)
	default:
		return fmt.Sprintf("%v renewed", e.Action)
	}
}

func TestDeleteAnswers(t *testing.T) {
	tests := []struct {
		name string
		key  Key
		opts DeleteOptions
		want string
	}{
		{"file", "/file", DeleteOptions{}, "delete kept"},
		{"file, flags ignored", "/file", DeleteOptions{Dir: true, Recursive: true}, "delete kept"},
		{"missing", "/none/x", DeleteOptions{}, "100 /none"},
		{"below a file", "/file/x", DeleteOptions{}, "104 /file"},
		{"root", "/", DeleteOptions{Recursive: true}, "107 /"},
		{"directory", "/dir", DeleteOptions{}, "102 /dir"},
		{"directory, not empty", "/dir", DeleteOptions{Dir: true}, "108 /dir"},
		{"directory with a hidden entry", "/secret", DeleteOptions{Dir: true}, "108 /secret"},
		{"empty directory", "/void", DeleteOptions{Dir: true}, "delete kept"},
		{"empty directory, no flag", "/void", DeleteOptions{}, "102 /void"},
		{"recursive", "/dir", DeleteOptions{Recursive: true}, "delete kept"},
		{"compare", "/file", DeleteOptions{PrevValue: "one"}, "compareAndDelete kept"},
		{"compare, wrong", "/file", DeleteOptions{PrevValue: "two"}, "101 [two != one]"},
		{"compare, missing", "/none", DeleteOptions{PrevValue: "x"}, "100 /none"},
		{"compare, directory", "/dir", DeleteOptions{PrevValue: "x", Recursive: true, Dir: true}, "102 /dir"},
		{"compare, root", "/", DeleteOptions{PrevIndex: 1}, "102 "},
	}
	for _, tt := range tests {
		s, _ := furnished(t)
		before, state := s.Index(), entries(s)
		e, err := s.Delete(tt.key, tt.opts)
		if got := answered(t, e, err); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if err != nil {
			if diff := gocmp.Diff(state, entries(s)); diff != "" || s.Index() != before {
				t.Errorf("%s: the refusal has changed something (-before +after):\n%s", tt.name, diff)
			}
			continue
		}
		if e.Node.Value != "" || e.Node.IsDir() != e.Prev.IsDir() || e.Index() != s.Index() || exists(s, tt.key) {
			t.Errorf("%s: %+v of %+v", tt.name, e.Node, e.Prev)
		}
	}
}

// TestValuesAndLeasesAfterAWrite says what an entry of value "1" with a lease is after.
func TestValuesAndLeasesAfterAWrite(t *testing.T) {
	const hour = time.Hour
	tests := []struct {
		name  string
		opts  PutOptions
		value string
		ttl   time.Duration
		dir   bool
	}{
		{"set", file("2"), "2", 0, false},
		{"update without a value", PutOptions{Exist: MustExist, TTL: hour}, "", hour, false},
		{"update without a TTL", PutOptions{Exist: MustExist, Value: "2"}, "2", 0, false},
		{"update with dir", PutOptions{Exist: MustExist, Dir: true}, "", 0, false},
		{"swap", PutOptions{PrevValue: "1", Value: "2"}, "2", 0, false},
		{"refresh", PutOptions{Refresh: true, TTL: hour}, "1", hour, false},
		{"refresh, must exist", PutOptions{Refresh: true, TTL: hour, Exist: MustExist}, "1", hour, false},
		{"directory", PutOptions{Dir: true, Value: "dropped", TTL: hour}, "", hour, true},
	}
	for _, tt := range tests {
		s := New(Options{})
		put(t, s, "/a", putLeased("1", time.Minute))
		e := put(t, s, "/a", tt.opts)
		r, err := s.Get("/a", GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []*Node{e.Node, r.Node} {
			if n.Value != tt.value || n.TTL() != tt.ttl || n.HasLease() != (tt.ttl > 0) || n.IsDir() != tt.dir {
				t.Errorf("%s: %+v", tt.name, n)
			}
		}
	}
}

func TestParentsAreMadeWithTheChild(t *testing.T) {
	s := New(Options{})
	e := put(t, s, "/a/b/c", putLeased("1", time.Hour))
	for _, dir := range []Key{"/a", "/a/b"} {
		r, err := s.Get(dir, GetOptions{})
		if err != nil || !r.IsDir() || r.CreatedIndex != e.Index() || r.ModifiedIndex != e.Index() || r.HasLease() {
			t.Errorf("%s: %+v, %v", dir, r.Node, err)
		}
	}
	if got := published(s, 0); len(got) != 1 {
		t.Errorf("events %v", names(got))
	}
	put(t, s, "/a/b/d", file("1"))
	if r, _ := s.Get("/a/b", GetOptions{}); r.ModifiedIndex != e.Index() {
		t.Errorf("a new child has moved its directory's index from %d to %d", e.Index(), r.ModifiedIndex)
	}
	if got := s.Stats(); got.Files != 2 || got.Dirs != 2 {
		t.Errorf("%d files in %d directories", got.Files, got.Dirs)
	}
}

// TestDirectoryUpdateIsShownNotKept has etcd's odd index of an updated directory.
func TestDirectoryUpdateIsShownNotKept(t *testing.T) {
	s := New(Options{})
	made := put(t, s, "/d", PutOptions{Dir: true})
	put(t, s, "/d/x", file("1"))
	e := put(t, s, "/d", PutOptions{Dir: true, Exist: MustExist, TTL: time.Hour})
	if e.Node.CreatedIndex != made.Index() || e.Index() != s.Index() || e.Prev.ModifiedIndex != made.Index() {
		t.Errorf("update %+v of %+v", e.Node, e.Prev)
	}
	r, err := s.Get("/d", GetOptions{})
	if err != nil || r.ModifiedIndex != made.Index() || r.TTL() != time.Hour || len(r.Entries) != 1 {
		t.Errorf("afterwards %+v, %v", r, err)
	}
}

func TestCreateInOrder(t *testing.T) {
	s := New(Options{})
	keys := []Key{}
	for range 5 {
		e, err := s.CreateInOrder("/q", putLeased("job", time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if want := Key(fmt.Sprintf("/q/%020d", e.Index())); e.Node.Key != want || e.Action != Create || e.Prev != nil {
			t.Errorf("%v %s, want create %s", e.Action, e.Node.Key, want)
		}
		keys = append(keys, e.Node.Key)
	}
	if got := listed(t, s, "/q", GetOptions{}); !slices.Equal(got, keys) || !slices.IsSorted(keys) {
		t.Errorf("listed %v, made %v", got, keys)
	}
	put(t, s, "/file", file("1"))
	if _, err := s.CreateInOrder("/file", PutOptions{}); refusal(t, err) != "104 /file" {
		t.Errorf("below a file: %v", err)
	}
	e, err := s.CreateInOrder(Root, PutOptions{Dir: true})
	if err != nil || e.Node.Key.Parent() != Root || !e.Node.IsDir() {
		t.Errorf("in the root: %+v, %v", e, err)
	}
}

// TestInOrderKeysCanBeAsked makes one where no deeper key is possible.
func TestInOrderKeysCanBeAsked(t *testing.T) {
	s := New(Options{})
	for depth := MaxSegments - 1; depth <= MaxSegments; depth++ {
		e, err := s.CreateInOrder(Key(strings.Repeat("/a", depth)), PutOptions{})
		if err != nil {
			continue // a refusal is fine, too
		}
		if _, err := ParseKey(string(e.Node.Key)); err != nil {
			t.Errorf("in a directory of %d segments: the store has made a key that nobody can ask for: %v", depth, err)
		}
	}
}

// TestEventsKeepNoTree makes sure that the history does not hold removed entries.
func TestEventsKeepNoTree(t *testing.T) {
	s := New(Options{})
	put(t, s, "/d", PutOptions{Dir: true})
	put(t, s, "/d/x", file("1"))
	put(t, s, "/d", PutOptions{Dir: true, Exist: MustExist, TTL: time.Hour})
	remove(t, s, "/d")
	for _, e := range published(s, 0) {
		for _, n := range []*Node{e.Node, e.Prev} {
			if n != nil && n.IsDir() && n.dir != noEntries {
				t.Errorf("%v %s leads to the entries of a directory", e.Action, e.Node.Key)
			}
		}
	}
}
