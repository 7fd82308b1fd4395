package nginx

import (
	"context"
	"errors"
	"slices"
	"strings"

	"rollcall/lbsync"
	"rollcall/lbsync/internal/procs"
)

var errSameWorkers = errors.New("nginx has not exchanged its workers; its error log says why")

const (
	masterTitle = "nginx: master process"
	// workerTitle is the whole title: a worker that is shutting down adds to it.
	workerTitle = "nginx: worker process"
)

// A sight is the workers that take connections, by their master's process id.
type sight map[int]map[int]bool

// look finds the masters that were started with the main configuration file config; with the built-in one when it is
// empty.
func look(config string) sight {
	seen := sight{}
	all := procs.List()
	for _, p := range all {
		if strings.HasPrefix(p.Title, masterTitle) && concerns(p.Title, config) {
			seen[p.PID] = map[int]bool{}
		}
	}
	for _, p := range all {
		if workers, ok := seen[p.Parent]; ok && p.Title == workerTitle {
			workers[p.PID] = true
		}
	}
	return seen
}

func concerns(title, config string) bool {
	args := strings.Fields(title)
	at := slices.Index(args, "-c")
	if config == "" {
		return at < 0
	}
	return at >= 0 && at+1 < len(args) && args[at+1] == config
}

// newWorkers returns the Proof that waits until some nginx has other workers than now and none of its old ones takes
// connections any more. Where no nginx is seen now, none is expected: it lives where this process cannot look.
func newWorkers(config string) lbsync.Proof {
	before := look(config)
	return func(ctx context.Context) error {
		exchanged := func() bool { return before.replacedBy(look(config)) }
		if len(before) > 0 && !procs.Await(ctx, exchanged) {
			return errSameWorkers
		}
		return nil
	}
}

func (before sight) replacedBy(now sight) bool {
	for master, workers := range now {
		if len(workers) > 0 && disjoint(workers, before[master]) {
			return true
		}
	}
	return false
}

func disjoint(a, b map[int]bool) bool {
	for pid := range a {
		if b[pid] {
			return false
		}
	}
	return true
}
