package registry

import (
	"errors"
	"path"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseKey(t *testing.T) {
	deepest := strings.Repeat("/a", MaxSegments)
	tests := []struct {
		path string
		want Key
		err  error
	}{
		{path: "", want: "/"},
		{path: "/", want: "/"},
		{path: "//", want: "/"},
		{path: "a", want: "/a"},
		{path: "/a", want: "/a"},
		{path: "/a/", want: "/a"},
		{path: "/a//b", want: "/a/b"},
		{path: "/a/./b", want: "/a/b"},
		{path: "/a/../b", want: "/b"},
		{path: "/a/..", want: "/"},
		{path: "/../../a", want: "/a"},
		{path: "/..", want: "/"},
		{path: "/.", want: "/"},
		{path: "/...", want: "/..."},
		{path: "/.a/..b", want: "/.a/..b"},
		{path: "/a.", want: "/a."},
		{path: "/a/b c+%2F\n\"{}", want: "/a/b c+%2F\n\"{}"},
		{path: "/ключ/\xff", want: "/ключ/\xff"},
		{path: "/a\x00", err: ErrKeyNUL},
		{path: "\x00", err: ErrKeyNUL},
		{path: deepest, want: Key(deepest)},
		{path: deepest + "/", want: Key(deepest)},
		{path: deepest + "/b", err: ErrKeyTooDeep},
		{path: deepest + "/b/..", want: Key(deepest)},
		{path: strings.Repeat("/a", 10_000), err: ErrKeyTooDeep},
		{path: strings.Repeat("/..", 10_000), want: "/"},
	}
	for _, tt := range tests {
		got, err := ParseKey(tt.path)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("ParseKey(%.40q) = %.40q, %v; want %.40q, %v", tt.path, got, err, tt.want, tt.err)
		}
	}
}

func TestKeyParts(t *testing.T) {
	tests := []struct {
		key    Key
		name   string
		parent Key
		prefix string
	}{
		{"/", "", "/", ""},
		{"/a", "a", "/", "a"},
		{"/a/b", "b", "/a", "a"},
		{"/ab/_c/d", "d", "/ab/_c", "ab"},
	}
	for _, tt := range tests {
		if got := tt.key.Name(); got != tt.name {
			t.Errorf("%s.Name() = %q, want %q", tt.key, got, tt.name)
		}
		if got := tt.key.Parent(); got != tt.parent {
			t.Errorf("%s.Parent() = %q, want %q", tt.key, got, tt.parent)
		}
		if got := tt.key.prefix(); got != tt.prefix {
			t.Errorf("%s.prefix() = %q, want %q", tt.key, got, tt.prefix)
		}
	}
}

func TestKeyIsBelow(t *testing.T) {
	tests := []struct {
		key, dir      Key
		below, hidden bool
	}{
		{key: "/", dir: "/"},
		{key: "/a", dir: "/", below: true},
		{key: "/", dir: "/a"},
		{key: "/a", dir: "/a"},
		{key: "/a/b", dir: "/a", below: true},
		{key: "/a/b/c", dir: "/a", below: true},
		{key: "/ab", dir: "/a"},
		{key: "/ab/c", dir: "/a"},
		{key: "/a", dir: "/a/b"},
		{key: "/_a", dir: "/", below: true, hidden: true},
		{key: "/_a/b", dir: "/", below: true, hidden: true},
		{key: "/_a/b", dir: "/_a", below: true},
		{key: "/_a/_b", dir: "/_a", below: true, hidden: true},
		{key: "/a/b/_c/d", dir: "/a", below: true, hidden: true},
		{key: "/a_b/c_", dir: "/", below: true},
	}
	for _, tt := range tests {
		if got := tt.key.IsBelow(tt.dir); got != tt.below {
			t.Errorf("%s.IsBelow(%s) = %v", tt.key, tt.dir, got)
		}
		if !tt.below {
			continue
		}
		if got := tt.key.hiddenBelow(tt.dir); got != tt.hidden {
			t.Errorf("%s.hiddenBelow(%s) = %v", tt.key, tt.dir, got)
		}
	}
}

func TestKeyLaws(t *testing.T) {
	anyPath := rapid.StringOfN(rapid.SampledFrom([]rune("a_./\x00é")), 0, 24, -1)
	rapid.Check(t, func(t *rapid.T) { checkKeyLaws(t, anyPath.Draw(t, "path"), anyPath.Draw(t, "other")) })
}

func FuzzParseKey(f *testing.F) {
	for _, p := range []string{"", "/", "a", "/a//b/", "/../a/./..", "/.a/_b/..c", "/a\x00", "/ключ/\xff", strings.Repeat("/a", 130)} {
		f.Add(p, "/a/b")
	}
	f.Fuzz(func(t *testing.T, p, other string) { checkKeyLaws(t, p, other) })
}

// checkKeyLaws fails unless the key of a path is what path.Clean makes of it, parsing
// it again changes nothing, and its parts fit together.
func checkKeyLaws(t rapid.TB, p, other string) {
	t.Helper()
	clean := path.Clean("/" + p)
	key, err := ParseKey(p)
	switch {
	case strings.Contains(p, "\x00"):
		if !errors.Is(err, ErrKeyNUL) {
			t.Fatalf("ParseKey(%q): %v", p, err)
		}
		return
	case strings.Count(clean, "/") > MaxSegments:
		if !errors.Is(err, ErrKeyTooDeep) {
			t.Fatalf("ParseKey(%q): %v", p, err)
		}
		return
	case err != nil || string(key) != clean:
		t.Fatalf("ParseKey(%q) = %q, %v; path.Clean says %q", p, key, err, clean)
	}
	if again, err := ParseKey(string(key)); again != key || err != nil {
		t.Fatalf("ParseKey(%q) is no fixed point: %q, %v", key, again, err)
	}
	checkFamily(t, key)
	if dir, err := ParseKey(other); err == nil {
		checkIsBelow(t, key, dir)
		checkIsBelow(t, dir, key)
	}
}

func checkFamily(t rapid.TB, key Key) {
	t.Helper()
	if key == Root {
		if key.Parent() != Root || key.Name() != "" || key.IsBelow(Root) {
			t.Fatal("the root is its own parent, has no name and is below nothing")
		}
		return
	}
	parent := key.Parent()
	if parent.Child(key.Name()) != key || string(parent) != path.Dir(string(key)) || key.Name() != path.Base(string(key)) {
		t.Fatalf("%q is not child %q of %q", key, key.Name(), parent)
	}
	if !key.IsBelow(parent) || parent.IsBelow(key) || key.IsBelow(key) || !key.IsBelow(Root) {
		t.Fatalf("%q is not below %q alone", key, parent)
	}
	if below := Key("/" + key.prefix()); below != key && !key.IsBelow(below) || below.Parent() != Root {
		t.Fatalf("%q is the first segment of %q", key.prefix(), key)
	}
}

// checkIsBelow compares IsBelow with a walk up through the parents.
func checkIsBelow(t rapid.TB, key, dir Key) {
	t.Helper()
	want := false
	for k := key; k != Root; {
		k = k.Parent()
		want = want || k == dir
	}
	if key.IsBelow(dir) != want {
		t.Fatalf("%q.IsBelow(%q) = %v", key, dir, !want)
	}
}
