package haproxy

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"rollcall/lbsync"
	"rollcall/lbsync/internal/procs"
)

var errNoWorker = errors.New("no new haproxy worker has come up")

// A sight is the HAProxy processes at one moment, by process id.
type sight map[int]bool

// look finds the HAProxy processes that were started with the configuration file, or with its directory.
func look(config string) sight {
	seen := sight{}
	for _, p := range procs.List() {
		if p.Name == "haproxy" && concerns(p.Title, config) {
			seen[p.PID] = true
		}
	}
	return seen
}

func concerns(title, config string) bool {
	dir := filepath.Dir(config)
	for arg := range strings.FieldsSeq(title) {
		if arg == config || arg == dir || arg == dir+"/" {
			return true
		}
	}
	return false
}

// newWorker returns the Proof that waits for an HAProxy process that is not there yet, and lasts. Where none is seen
// now, none is expected: HAProxy lives where this process cannot look.
func newWorker(config string) lbsync.Proof {
	before := look(config)
	return func(ctx context.Context) error {
		if len(before) == 0 {
			return nil
		}
		fresh := sight{}
		lasts := func() bool {
			now := look(config)
			for pid := range now {
				if fresh[pid] {
					return true
				}
			}
			fresh = now.without(before)
			return false
		}
		if !procs.Await(ctx, lasts) {
			return errNoWorker
		}
		return nil
	}
}

func (before sight) without(o sight) sight {
	out := sight{}
	for pid := range before {
		if !o[pid] {
			out[pid] = true
		}
	}
	return out
}
