package registry

import (
	"errors"
	"path"
	"strings"
)

// Key is a clean absolute path: it begins with a slash, has no empty, "." or ".."
// segment and no trailing slash. The root is "/".
type Key string

// Root is the key of the directory that holds everything.
const Root Key = "/"

// MaxSegments is the depth to which a key may be nested. A registration has two or
// three segments; the bound keeps one request from making thousands of directories.
const MaxSegments = 128

// Why ParseKey refuses a path.
var (
	ErrKeyTooDeep = errors.New("key has too many segments")
	ErrKeyNUL     = errors.New("key contains a NUL byte")
)

// ParseKey cleans a path, as etcd does, into a Key. The error is [ErrKeyTooDeep]
// or [ErrKeyNUL]; every other path is a key.
func ParseKey(p string) (Key, error) {
	if strings.IndexByte(p, 0) >= 0 {
		return "", ErrKeyNUL
	}
	if !isClean(p) {
		p = path.Clean("/" + p)
	}
	if Key(p).depth() > MaxSegments {
		return "", ErrKeyTooDeep
	}
	return Key(p), nil
}

// isClean tells, without allocating, whether p surely is what path.Clean makes of
// it. A segment that begins with a dot is left to path.Clean.
func isClean(p string) bool {
	if p == "" || p[0] != '/' {
		return false
	}
	return p == "/" || p[len(p)-1] != '/' && !strings.Contains(p, "//") && !strings.Contains(p, "/.")
}

// Name returns the last segment, "" for the root.
func (k Key) Name() string { return string(k[strings.LastIndexByte(string(k), '/')+1:]) }

// Parent returns the key of the directory that holds k; the root is its own parent.
func (k Key) Parent() Key {
	if i := strings.LastIndexByte(string(k), '/'); i > 0 {
		return k[:i]
	}
	return Root
}

// Child returns the key of the entry called name in directory k.
func (k Key) Child(name string) Key {
	if k == Root {
		return Key("/" + name)
	}
	return k + "/" + Key(name)
}

// depth returns the number of segments, 0 for the root.
func (k Key) depth() int {
	if k == Root {
		return 0
	}
	return strings.Count(string(k), "/")
}

// IsBelow tells whether dir is an ancestor of k.
func (k Key) IsBelow(dir Key) bool {
	if dir == Root {
		return k != Root
	}
	return len(k) > len(dir) && k[len(dir)] == '/' && k[:len(dir)] == dir
}

// hiddenBelow tells whether a segment of k below dir begins with an underscore.
// Such keys are not listed and not seen by watches on dir.
func (k Key) hiddenBelow(dir Key) bool {
	rest := k[len(dir):]
	if dir == Root {
		rest = k
	}
	return strings.Contains(string(rest), "/_")
}

// prefix returns the first segment: the history is shared out by it.
func (k Key) prefix() string {
	first, _, _ := strings.Cut(string(k[1:]), "/")
	return first
}

// isHidden tells whether a name is left out of listings.
func isHidden(name string) bool { return name != "" && name[0] == '_' }
