package registry

import (
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

func TestListing(t *testing.T) {
	s := New(Options{})
	for _, key := range []Key{"/d/b", "/d/a/y", "/d/a/x", "/d/a/_h", "/d/_h/x", "/d/a_b", "/d/B", "/d/é", "/d/a-b"} {
		put(t, s, key, file("1"))
	}
	put(t, s, "/d/v", PutOptions{Dir: true})
	tests := []struct {
		key       Key
		recursive bool
		want      []Key
	}{
		{"/", false, []Key{"/d"}},
		{"/d", false, []Key{"/d/B", "/d/a", "/d/a-b", "/d/a_b", "/d/b", "/d/v", "/d/é"}},
		{"/d", true, []Key{"/d/B", "/d/a", "/d/a/x", "/d/a/y", "/d/a-b", "/d/a_b", "/d/b", "/d/v", "/d/é"}},
		{"/d/_h", true, []Key{"/d/_h/x"}},
		{"/d/_h/x", true, []Key{}},
		{"/d/v", false, []Key{}},
	}
	for _, tt := range tests {
		if got := listed(t, s, tt.key, GetOptions{Recursive: tt.recursive}); !slices.Equal(got, tt.want) {
			t.Errorf("%s recursive %v: %q, want %q", tt.key, tt.recursive, got, tt.want)
		}
	}
	for key, want := range map[Key]string{"/none/b/c": "100 /none", "/d/none": "100 /d/none", "/d/b/x": "104 /d/b"} {
		if _, err := s.Get(key, GetOptions{}); refusal(t, err) != want {
			t.Errorf("get %s: %q, want %q", key, refusal(t, err), want)
		}
	}
}

// TestListingIsASnapshot changes everything after a listing was made.
func TestListingIsASnapshot(t *testing.T) {
	s := New(Options{})
	put(t, s, "/d/a", file("1"))
	put(t, s, "/d/sub/x", file("1"))
	before, err := s.Get("/d", GetOptions{Recursive: true})
	if err != nil {
		t.Fatal(err)
	}
	was := shown(before.Listing)
	put(t, s, "/d/a", file("2"))
	put(t, s, "/d/sub/y", file("1"))
	remove(t, s, "/d/sub/x")
	remove(t, s, "/d")
	if diff := gocmp.Diff(was, shown(before.Listing)); diff != "" {
		t.Errorf("listing (-then +now):\n%s", diff)
	}
}

// TestRenderingLivesUntilAChange says when readers of a listing share its encoding.
func TestRenderingLivesUntilAChange(t *testing.T) {
	changes := map[string]func(s *Store){
		"new entry":     func(s *Store) { put(t, s, "/d/sub/y", file("1")) },
		"value":         func(s *Store) { put(t, s, "/d/sub/x", file("2")) },
		"renewal":       func(s *Store) { put(t, s, "/d/sub/l", putLeased("1", time.Hour)) },
		"deletion":      func(s *Store) { remove(t, s, "/d/sub/x") },
		"directory TTL": func(s *Store) { put(t, s, "/d/sub", PutOptions{Dir: true, Exist: MustExist, TTL: time.Hour}) },
		"own TTL":       func(s *Store) { put(t, s, "/d", PutOptions{Dir: true, Exist: MustExist, TTL: time.Hour}) },
	}
	for name, change := range changes {
		s := New(Options{})
		put(t, s, "/d/sub/x", file("1"))
		put(t, s, "/d/sub/l", putLeased("1", time.Hour))
		put(t, s, "/other/x", file("1"))
		rendering := func(key Key) *Rendering {
			r, err := s.Get(key, GetOptions{Recursive: true})
			if err != nil || r.Rendering == nil {
				t.Fatalf("get %s: %v", key, err)
			}
			return r.Rendering
		}
		all, d, other := rendering("/"), rendering("/d"), rendering("/other")
		if rendering("/") != all || rendering("/d") != d {
			t.Errorf("%s: two readers do not share", name)
		}
		change(s)
		if rendering("/") == all || rendering("/d") == d || rendering("/other") != other {
			t.Errorf("%s: an old encoding is shown, or an untouched one is lost", name)
		}
	}
	s := New(Options{})
	put(t, s, "/a", file("1"))
	if r, _ := s.Get("/a", GetOptions{}); r.Rendering != nil {
		t.Error("a file has room for an encoding")
	}
}

// TestHugeListingsAreNotKept bounds the memory that cached listings take.
func TestHugeListingsAreNotKept(t *testing.T) {
	s := New(Options{})
	for i := range maxCachedNodes {
		put(t, s, Key(fmt.Sprintf("/d/%d", i)), file(""))
	}
	for range 2 {
		if got := len(listed(t, s, "/d", GetOptions{})); got != maxCachedNodes {
			t.Fatalf("%d entries listed", got)
		}
	}
	at, _ := s.tree.find("/d")
	if at.node.dir.snapshots[oneLevel].Load() != nil {
		t.Error("a listing above the bound is kept")
	}
}
