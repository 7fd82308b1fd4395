package haproxy

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"rollcall/lbsync"
	"rollcall/lbsync/internal/procs"
)

var errNoWorker = errors.New("no new haproxy worker has come up")

// proofTimeout is longer than HAProxy tries to bind an address that is taken, 2 s, with room for a busy machine.
const proofTimeout = 10 * time.Second

// markerProof returns the Proof that waits for a worker other than the given one to have the wanted marker; a process id
// of 0 stands for none. Without a marker to want, a worker that answers is enough.
func markerProof(a asker, want string, before int) lbsync.Proof {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, proofTimeout)
		defer cancel()
		tick := time.NewTicker(masterInterval)
		defer tick.Stop()
		for {
			pid, marker, err := identify(ctx, a)
			if err == nil && pid != before && (want == "" || marker == want) {
				return nil
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return errors.Join(errNoWorker, notProven(err, marker, want))
			}
		}
	}
}

// notProven says what was seen last.
func notProven(err error, marker, want string) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("HAProxy has the generation %q, and the file has %q", marker, want)
}

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
