package lbsync

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func set(key, value string) Change {
	return Change{Kind: ChangeSet, Entry: Entry{Key: key, Value: value}}
}

func removal(kind ChangeKind, key string) Change { return Change{Kind: kind, Entry: Entry{Key: key}} }

func removedDir(kind ChangeKind, key string) Change {
	return Change{Kind: kind, Entry: Entry{Key: key}, Dir: true}
}

func TestViewApply(t *testing.T) {
	for _, tt := range []struct {
		name          string
		change        Change
		changed, sure bool
		left          []string
		gone          map[string]cause
	}{
		{"the same value again", set("a", "1"), false, true, []string{"a", "z/b", "z/c", "zz"}, nil},
		{"another value", set("a", "2"), true, true, []string{"a", "z/b", "z/c", "zz"}, nil},
		{"a new key", set("b", "2"), true, true, []string{"a", "b", "z/b", "z/c", "zz"}, nil},
		{"a removal", removal(ChangeDeleted, "a"), true, true, []string{"z/b", "z/c", "zz"}, map[string]cause{"a": causeDeleted}},
		{"an expiry", removal(ChangeExpired, "a"), true, true, []string{"z/b", "z/c", "zz"}, map[string]cause{"a": causeExpired}},
		{"a directory", removedDir(ChangeExpired, "z"), true, true, []string{"a", "zz"}, map[string]cause{"z/b": causeExpired, "z/c": causeExpired}},
		{
			"all", removedDir(ChangeDeleted, ""), true, true, nil,
			map[string]cause{"a": causeDeleted, "z/b": causeDeleted, "z/c": causeDeleted, "zz": causeDeleted},
		},
		{"an unknown key", removal(ChangeDeleted, "x"), false, true, []string{"a", "z/b", "z/c", "zz"}, nil},
		{"a directory's lease", removal(ChangeNone, "z"), false, true, []string{"a", "z/b", "z/c", "zz"}, nil},
		{"something else", removal(ChangeOther, "a"), false, false, []string{"a", "z/b", "z/c", "zz"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newView()
			v.replace([]Entry{{"a", "1"}, {"z/b", "1"}, {"z/c", "1"}, {"zz", "1"}}, nil)
			changed, sure := v.apply(tt.change)
			if changed != tt.changed || sure != tt.sure {
				t.Errorf("changed %v, sure %v", changed, sure)
			}
			if left := slices.Sorted(maps.Keys(v.entries)); !slices.Equal(left, tt.left) {
				t.Errorf("left: %q", left)
			}
			_, why := v.take()
			if len(why)+len(tt.gone) > 0 && !maps.Equal(why, tt.gone) {
				t.Errorf("gone: %v", why)
			}
			if _, again := v.take(); len(again) != 0 {
				t.Errorf("told twice: %v", again)
			}
		})
	}
}

func TestViewExplainsWhatAListingLacks(t *testing.T) {
	v := newView()
	v.replace([]Entry{{"a", "1"}, {"b", "1"}, {"c/d", "1"}, {"e", "1"}}, nil)
	all := v.missing([]Entry{{"e", "2"}, {"b", "1"}, {"a", "1"}, {"c/d", "1"}, {"f", "1"}})
	some := v.missing([]Entry{{"e", "1"}, {"c/d", "1"}, {"f", "1"}})
	if len(all) != 0 || !maps.Equal(some, map[string]bool{"a": true, "b": true}) {
		t.Errorf("missing: %v and %v", all, some)
	}
	v.replace([]Entry{{"e", "1"}}, []Change{
		set("a", "2"), removal(ChangeExpired, "a"), removedDir(ChangeDeleted, "c"), removal(ChangeDeleted, "e"),
	})
	_, why := v.take()
	want := map[string]cause{"a": causeExpired, "b": causeUnknown, "c/d": causeDeleted}
	if d := cmp.Diff(want, why); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// What a listing has shown to be missing is told with a later listing whose history explains it, once.
func TestViewExplainsLater(t *testing.T) {
	v := newView()
	v.replace([]Entry{{"a", "1"}, {"b", "1"}, {"c/d", "1"}, {"e", "1"}, {"f", "1"}}, nil)
	v.replace([]Entry{{"e", "1"}}, nil)
	v.take()
	v.apply(set("f", "1"))
	if m := v.missing([]Entry{{"b", "1"}, {"e", "1"}}); !maps.Equal(m, map[string]bool{"a": true, "c/d": true, "f": true}) {
		t.Errorf("missing: %v", m)
	}
	v.take()
	v.replace([]Entry{{"b", "1"}, {"e", "1"}, {"f", "1"}}, []Change{removal(ChangeDeleted, "a"), removedDir(ChangeExpired, "c")})
	if _, why := v.take(); !maps.Equal(why, map[string]cause{"a": causeDeleted, "c/d": causeExpired}) {
		t.Errorf("gone: %v", why)
	}
	v.replace([]Entry{{"b", "1"}, {"e", "1"}, {"f", "1"}}, []Change{removal(ChangeDeleted, "a")})
	if _, why := v.take(); len(why) != 0 || v.fresh || len(v.unexplained) != 0 {
		t.Errorf("told twice: %v, %v", why, v.unexplained)
	}
}

// Whatever the changes, the view is what the last of them for each key says.
func TestViewFollowsARegistry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, want := newView(), map[string]string{}
		keys := rapid.SampledFrom([]string{"a", "b", "c/a", "c/b"})
		for range rapid.IntRange(0, 30).Draw(t, "changes") {
			key := keys.Draw(t, "key")
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				delete(want, key)
				v.apply(removal(ChangeDeleted, key))
			case 1:
				delete(want, "c/a")
				delete(want, "c/b")
				v.apply(removedDir(ChangeExpired, "c"))
			default:
				value := rapid.SampledFrom([]string{"1", "2"}).Draw(t, "value")
				want[key] = value
				v.apply(set(key, value))
			}
		}
		for key := range v.gone {
			if _, there := want[key]; there {
				t.Fatalf("%s is there and has gone", key)
			}
		}
		if !maps.Equal(v.entries, want) {
			t.Fatalf("got %v, want %v", v.entries, want)
		}
	})
}

func TestStamps(t *testing.T) {
	var s stamps
	for i := range maxStamps + 10 {
		s.add(at(i))
	}
	if got := s.between(0, 5); got != nil {
		t.Errorf("forgotten ones: %v", got)
	}
	if got := s.between(maxStamps+7, maxStamps+9); len(got) != 2 || got[0] != at(maxStamps+7) || got[1] != at(maxStamps+8) {
		t.Errorf("got %v", got)
	}
	if s.decided() {
		t.Error("nothing was taken")
	}
	s.taken()
	if !s.decided() || s.decided() || s.inPool != maxStamps+10 {
		t.Errorf("in pool: %d", s.inPool)
	}
}
