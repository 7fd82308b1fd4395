package difftest

import (
	"fmt"
	"sync"
)

// ledger notes which deliberate differences the run has met.
type ledger struct {
	mu  sync.Mutex
	met map[string]bool
	// codes are the errorCodes that etcd answered in tables.
	codes map[int]bool
}

// seen is the run's ledger; [TestMain] reads it at the end.
var seen = &ledger{met: map[string]bool{}, codes: map[int]bool{}}

// errorCodes are all that the v2 keys API answers, except those of a broken cluster and of authentication.
func errorCodes() []int {
	return []int{100, 101, 102, 104, 105, 107, 108, 201, 202, 203, 209, 210, 211, 212, 401}
}

func (l *ledger) note(ids ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		l.met[id] = true
	}
}

// noteCodes notes the errors in a transcript of etcd's.
func (l *ledger) noteCodes(transcript Transcript) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, answer := range transcript {
		if code := answer.document().ErrorCode; code != 0 {
			l.codes[code] = true
		}
	}
}

// judge lists error codes that no table provoked, entries that no test met, and ids that are no entries.
func (l *ledger) judge() []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var problems []error
	known := map[string]bool{}
	for _, d := range Differences() {
		known[d.ID] = true
		if !l.met[d.ID] {
			problems = append(problems, fmt.Errorf("difference %q: no test met it", d.ID))
		}
	}
	for id := range l.met {
		if !known[id] {
			problems = append(problems, fmt.Errorf("difference %q is not in the list", id))
		}
	}
	for _, code := range errorCodes() {
		if !l.codes[code] {
			problems = append(problems, fmt.Errorf("errorCode %d: no table provoked it", code))
		}
	}
	return problems
}
