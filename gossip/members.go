package gossip

import (
	"cmp"
	"net"
	"slices"
	"sync"
	"time"
)

// Status is how a member is.
type Status uint8

// The statuses of a member. A suspect counts as alive: this node's latest probe of it
// failed, and nothing was heard since. memberlist does not tell what others suspect.
const (
	Alive Status = iota
	Suspect
	Dead
	Left
)

var statusNames = [...]string{"alive", "suspect", "dead", "left"}

// Statuses returns all statuses.
func Statuses() []Status { return []Status{Alive, Suspect, Dead, Left} }

// String returns the status in lower case.
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return "unknown"
}

// isLive reports whether the member counts as alive.
func (s Status) isLive() bool { return s == Alive || s == Suspect }

// Member is a node of the cluster as seen by this one.
type Member struct {
	Name       string
	Addr       string // HOST:PORT
	Author     uint64 // id of its present or last boot
	Tag        uint8
	ClientURLs []string
	Self       bool
	Status     Status
}

// How long, and how many, members are shown after they died or left.
const (
	showGone = 5 * time.Minute
	maxGone  = 256
)

// sighting is what a callback of memberlist said about a node.
type sighting struct {
	name string
	ip   net.IP
	port uint16
	meta meta
	gone bool
}

// entry is a row of the table.
type entry struct {
	Member
	ip      net.IP
	port    uint16
	leaving bool
	since   time.Time // of the status
}

// table is the members by name. Its writer is the goroutine that follows memberlist.
type table struct {
	self string

	mu   sync.Mutex // held for the time of one operation on memory
	rows map[string]*entry
}

func newTable(self string) *table {
	return &table{self: self, rows: make(map[string]*entry)}
}

// see takes a sighting in. It reports the row before and after it, both as copies.
func (t *table) see(s sighting, now time.Time) (before, after entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if old := t.rows[s.name]; old != nil {
		before = *old
	}
	after = entry{
		Member: Member{
			Name: s.name, Addr: joinAddr(s.ip.String(), int(s.port)), Author: s.meta.author,
			Tag: s.meta.tag, ClientURLs: s.meta.urls, Self: s.name == t.self,
		},
		ip: s.ip, port: s.port, leaving: s.meta.leaving, since: now,
	}
	switch {
	case s.gone && after.leaving:
		after.Status = Left
	case s.gone:
		after.Status = Dead
	}
	if before.Status == after.Status && before.Name != "" {
		after.since = before.since
	}
	t.rows[s.name] = &after
	return before, after
}

// suspect notes whether a live member is suspected. It reports whether that is new.
func (t *table) suspect(name string, status Status, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := t.rows[name]
	if row == nil || row.Self || !row.Status.isLive() || row.Status == status {
		return false
	}
	row.Status, row.since = status, now
	return true
}

// prune drops members that have been gone for long, and the oldest of too many. It
// reports whether there were any.
func (t *table) prune(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	var gone []*entry
	for _, row := range t.rows {
		if !row.Status.isLive() {
			gone = append(gone, row)
		}
	}
	slices.SortFunc(gone, func(a, b *entry) int { return b.since.Compare(a.since) })
	pruned := false
	for i, row := range gone {
		if i >= maxGone || now.Sub(row.since) > showGone {
			delete(t.rows, row.Name)
			pruned = true
		}
	}
	return pruned
}

// list returns copies of all members, sorted by name.
func (t *table) list() []Member {
	t.mu.Lock()
	defer t.mu.Unlock()
	members := make([]Member, 0, len(t.rows))
	for _, row := range t.rows {
		m := row.Member
		m.ClientURLs = slices.Clone(m.ClientURLs)
		members = append(members, m)
	}
	slices.SortFunc(members, func(a, b Member) int { return cmp.Compare(a.Name, b.Name) })
	return members
}

// live returns copies of the rows of live members, own included, sorted by name.
func (t *table) live() []entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	rows := make([]entry, 0, len(t.rows))
	for _, row := range t.rows {
		if row.Status.isLive() {
			rows = append(rows, *row)
		}
	}
	slices.SortFunc(rows, func(a, b entry) int { return cmp.Compare(a.Name, b.Name) })
	return rows
}

// count returns the number of members of each status.
func (t *table) count() map[Status]int {
	counts := make(map[Status]int)
	for _, s := range Statuses() {
		counts[s] = 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, row := range t.rows {
		counts[row.Status]++
	}
	return counts
}
