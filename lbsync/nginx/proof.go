package nginx

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rollcall/lbsync/internal/procs"
)

var errSameWorkers = errors.New("nginx has not exchanged its workers")

const (
	masterTitle = "nginx: master process"
	// workerTitle is the whole title: a worker that is shutting down adds to it.
	workerTitle  = "nginx: worker process"
	leavingTitle = "nginx: worker process is shutting down"

	// proofTimeout bounds the wait for a reload. nginx gives up to bind a port that is taken after 2.5 s.
	proofTimeout = 4500 * time.Millisecond
	// exchangeTime is longer than old workers answer beside new ones, which is 100 ms.
	exchangeTime = 200 * time.Millisecond
)

// A sight is what the process table shows of nginx.
type sight struct {
	workers map[int]map[int]bool // those that take connections, by their master's process id
	leaving int                  // those that finish what they have
}

// look finds the masters that were started with the main configuration file config; with the built-in one when it is
// empty.
func look(config string) sight {
	seen := sight{workers: map[int]map[int]bool{}}
	all := procs.List()
	for _, p := range all {
		if strings.HasPrefix(p.Title, masterTitle) && concerns(p.Title, config) {
			seen.workers[p.PID] = map[int]bool{}
		}
	}
	for _, p := range all {
		workers, ours := seen.workers[p.Parent]
		switch {
		case ours && p.Title == workerTitle:
			workers[p.PID] = true
		case ours && p.Title == leavingTitle:
			seen.leaving++
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

func (s sight) masters() []int { return slices.Collect(maps.Keys(s.workers)) }

func (s sight) replacedBy(now sight) bool {
	for master, workers := range now.workers {
		if len(workers) > 0 && disjoint(workers, s.workers[master]) {
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

// A reload is one that nginx was told to make. It has happened when some nginx has other workers than before, none of its
// old ones takes connections any more, and the new ones serve the wanted generation. Where no nginx was seen before, none
// is expected: it lives where this process cannot look.
type reload struct {
	main   string // the main configuration file
	before sight
	marker marker
	wanted string // generation; "" when nginx does not tell
	log    errorLog

	missing error     // what has not been seen yet
	first   time.Time // when the wanted generation was served first; zero: not yet
}

// wait waits until the reload has happened or has failed.
func (r *reload) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, proofTimeout)
	defer cancel()
	r.missing = errSameWorkers
	procs.Await(ctx, func() bool { return r.happened(ctx) || r.refused() })
	if r.missing == nil {
		return nil
	}
	if words := r.log.complaints(r.before.masters()); len(words) > 0 {
		return fmt.Errorf("%w; its error log says %q", r.missing, words)
	}
	return r.missing
}

// happened keeps what is missing.
func (r *reload) happened(ctx context.Context) bool {
	hidden := len(r.before.workers) == 0
	if !hidden && !r.before.replacedBy(look(r.main)) {
		r.missing = errSameWorkers
		return false
	}
	if r.missing = r.serves(ctx); r.missing != nil {
		return false
	}
	if r.first.IsZero() {
		r.first = time.Now()
	}
	if hidden && r.wanted != "" && time.Since(r.first) < exchangeTime {
		r.missing = errSameWorkers
	}
	return r.missing == nil
}

// serves asks nginx for its generation, when it tells one.
func (r *reload) serves(ctx context.Context) error {
	if r.wanted == "" {
		return nil
	}
	served, _, err := r.marker.askAll(ctx, r.wanted)
	if err != nil {
		return fmt.Errorf("ask nginx for its generation: %w", err)
	}
	if trouble := difference(served, r.wanted); trouble != "" {
		return fmt.Errorf("nginx %s; is the file included in its http block?", trouble)
	}
	return nil
}

// refused tells whether the master has given up, by its error log. It tries several times to bind a port that is taken;
// all else in the log at this level is its last word.
func (r *reload) refused() bool {
	masters := r.before.masters()
	if len(masters) == 0 {
		return false // Then a line may be anybody's.
	}
	return slices.ContainsFunc(r.log.complaints(masters), func(words string) bool {
		return strings.HasPrefix(words, "[emerg]") && !strings.HasPrefix(words, "[emerg] bind() to ")
	})
}
