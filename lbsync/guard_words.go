package lbsync

import (
	"fmt"
	"strings"
	"time"
)

// What is said of hosts: what has happened and what ends it.
const (
	reasonListed   = "listed in the registry"
	reasonDrain    = "its entry says drain"
	reasonDown     = "its entry says down"
	reasonDeleted  = "deleted"
	reasonMoved    = "its entry moved to "
	reasonExpired  = "lease expired"
	reasonProbe    = "probe failed"
	reasonReleased = "released by operator"
	reasonGone     = "not listed any more"
	reasonRejected = "its value is not usable any more"
	reasonFallback = "nothing else is left: serves until something is listed"
)

func causeReason(c cause) string {
	switch c {
	case causeDeleted:
		return reasonDeleted
	case causeExpired:
		return reasonExpired
	case causeRejected:
		return reasonRejected
	default:
		return reasonGone
	}
}

// words are the sentences that depend on the policy alone.
type words struct {
	remembered, earlier, unknown, beyond string
	grace, graceOver                     string
	overdue, few                         string
	limit                                string
}

func newWords(p policy) words {
	ends := "; stays until it is listed again"
	if p.probe {
		ends += ", a probe fails"
	}
	if p.maxHold > 0 {
		ends += ", " + p.maxHold.String() + " are over"
	}
	ends += " or the operator releases it"
	limit := fmt.Sprintf("%.4g%% within %s", p.maxLoss*100, p.lossWindow)
	if p.minServers > 0 {
		limit += fmt.Sprintf(", min_servers %d", p.minServers)
	}
	w := words{
		remembered: "in the pool of an earlier run; stays until the registry has answered",
		earlier:    "in the pool of an earlier run and not listed" + ends,
		beyond:     ", and no more may go (" + limit + ")" + ends,
		unknown:    "not listed any more and nothing tells why" + ends,
		grace:      reasonRejected + "; the last good one serves for " + p.badGrace.String(),
		graceOver:  reasonRejected + " for " + p.badGrace.String(),
		overdue:    "held for " + p.maxHold.String(),
		few: fmt.Sprintf("held for %s, but min_servers is %d; stays until others are listed or the operator releases it",
			p.maxHold, p.minServers),
		limit: limit,
	}
	if p.badGrace <= 0 {
		w.graceOver = reasonRejected
	}
	return w
}

func (w words) damped(wait time.Duration) string {
	return fmt.Sprintf("came and went more than %d times within a minute; comes back after it has stayed listed for %s",
		flapsFree, wait)
}

func (w words) last(why string) string {
	return why + ", but no other host is left; stays until one is listed"
}

// preserving sums up why hosts are held.
func (g *guard) preserving() string {
	n := g.counts
	var parts []string
	for _, p := range []struct {
		n    int
		text string
	}{
		{n[standExpired], "leases expired beyond what may go (" + g.words.limit + ")"},
		{n[standUnknown], "not listed and nothing tells why"},
		{n[standGrace], "values not usable any more"},
		{n[standLast], "the last ones, nothing else is listed"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d of %d: %s", p.n, g.size(), p.text))
		}
	}
	if len(parts) > 0 && g.lost {
		parts = append(parts, "the registry is not reachable and nothing is removed")
	}
	return strings.Join(parts, "; ")
}
