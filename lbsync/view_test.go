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
	if v.lacks([]Entry{{"e", "2"}, {"b", "1"}, {"a", "1"}, {"c/d", "1"}, {"f", "1"}}) || !v.lacks([]Entry{{"e", "1"}, {"f", "1"}}) {
		t.Error("what is missing is not seen")
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
