package haproxy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A kind of change. Their order is the order in which they are made: what takes traffic comes before what gives it up, so
// that the pool is never smaller than before and after.
type kind int

const (
	add    kind = iota // a server that is not there
	rise               // out of maintenance or drain
	tune               // weight, limits, checks
	sink               // into maintenance, as the file says
	swap               // other options: delete and add again
	remove             // into maintenance, and delete
	sweep              // delete what is in maintenance already
)

// A command is one command and the answer by which it has worked.
type command struct {
	text string
	want expectation
}

// A change is what one server needs. Its commands are sent in order; the first that is refused ends it.
type change struct {
	ref
	kind     kind
	commands []command
	// undo is sent when a command after the first is refused; empty for none.
	undo string
	// options are those that the server has afterwards; only for add and swap.
	options string
}

// A plan brings a worker to a model.
type plan struct {
	changes []change
	// reload says what only a reload can do.
	reload []string
}

// needed are the changes that must not be left over once the plan has been carried out. A sweep may be: it is refused
// while connections last.
func (p plan) needed() []change {
	return slices.DeleteFunc(slices.Clone(p.changes), func(c change) bool { return c.kind == sweep })
}

// commands are the texts in their order.
func (p plan) commands() []string {
	var texts []string
	for _, c := range p.changes {
		for _, cmd := range c.commands {
			texts = append(texts, cmd.text)
		}
	}
	return texts
}

// newPlan compares. Services are the names of the backends that are all lbsync's, so that a server nobody knows has to
// go from them.
func newPlan(want *model, run *running, known *memory, services []string) plan {
	p := planner{run: run, known: known, alike: want.marker == run.marker}
	if !p.alike {
		p.reload = append(p.reload, structureDiffers(want.marker, run.marker))
	}
	for _, b := range want.backends {
		p.backend(b, len(b.servers) > 0 || slices.Contains(services, b.name))
	}
	slices.SortStableFunc(p.changes, func(a, b change) int { return cmp.Compare(a.kind, b.kind) })
	return p.plan
}

func structureDiffers(want, got string) string {
	if got == "" {
		return "HAProxy runs a configuration without a generation"
	}
	return fmt.Sprintf("HAProxy runs the structure %s, and the file has %s", got, want)
}

// A planner makes a plan.
type planner struct {
	plan
	run   *running
	known *memory
	// alike tells that the worker has the file's structure. Where not, a reload comes anyway, and servers with other
	// options are left to it.
	alike bool
	// ids are taken, in the backend at hand.
	ids map[int]bool
}

// backend compares a section. All of its servers are lbsync's if owned.
func (p *planner) backend(b *backend, owned bool) {
	servers, ok := p.run.backends[b.name]
	if !ok {
		if p.alike {
			p.reload = append(p.reload, "HAProxy has no backend "+b.name)
		}
		return
	}
	p.ids = map[int]bool{}
	for _, s := range servers {
		p.ids[s.id] = true
	}
	wanted := make(map[string]bool, len(b.servers))
	for _, want := range b.servers {
		wanted[want.name] = true
		at := ref{b.name, want.name}
		if got := servers[want.name]; got == nil {
			p.add(at, want)
		} else if reason := p.mustSwap(want, got); reason != "" {
			p.swap(want, got, reason)
		} else {
			p.adjust(want, got)
		}
	}
	var unwanted []string
	for name := range servers {
		if !wanted[name] && !b.fixed[name] && (isOurs(name) || owned && !b.open) {
			unwanted = append(unwanted, name)
		}
	}
	slices.Sort(unwanted)
	for _, name := range unwanted {
		p.remove(servers[name])
	}
}

// add adds a server unless the worker is known to refuse that.
func (p *planner) add(at ref, want serverLine) {
	if reason := p.known.refused[at.backend]; reason != "" {
		p.reload = append(p.reload, reason)
		return
	}
	p.changes = append(p.changes, change{ref: at, kind: add, commands: p.addCommands(at, want), options: want.options})
}

func (p *planner) addCommands(at ref, want serverLine) []command {
	id := want.id
	if id == 0 || p.ids[id] {
		id = freeID(want.addr, p.ids)
	}
	p.ids[id] = true
	text := fmt.Sprintf("add server %s %s id %d weight %d", at, want.addr, id, want.weight)
	if want.maxConn > 0 {
		text += fmt.Sprintf(" maxconn %d", want.maxConn)
	}
	if want.options != "" {
		text += " " + want.options
	}
	commands := []command{{text, registered}}
	if want.check {
		commands = append(commands, command{fmt.Sprintf("enable health %s", at), silence})
	}
	if !want.disabled { // A new server begins in maintenance.
		commands = append(commands, command{setState(at, "ready"), silence})
	}
	return commands
}

func setState(at ref, state string) string { return fmt.Sprintf("set server %s state %s", at, state) }

// mustSwap says why a running server cannot be brought to a line by commands that change it; empty if it can.
func (p *planner) mustSwap(want serverLine, got *runningServer) string {
	options, known := p.known.options[got.ref]
	switch {
	case want.addr != got.addr:
		return "address"
	case want.backup != got.backup:
		return "backup"
	case want.check != got.check:
		return "check"
	case known && options != want.options:
		return "options"
	default:
		return ""
	}
}

// swap deletes a server and adds it again. It gets nothing for a millisecond, so another one has to be there.
func (p *planner) swap(want serverLine, got *runningServer, what string) {
	if !p.alike {
		return
	}
	if got.takesTraffic() && !p.replaceable(got) || p.known.refused[got.backend] != "" {
		p.reload = append(p.reload, fmt.Sprintf("server %s has another %s", got.ref, what))
		return
	}
	delete(p.ids, got.id)
	var commands []command
	if !got.maint {
		commands = append(commands, command{setState(got.ref, "maint"), silence})
	}
	commands = append(commands, command{"del server " + got.String(), deleted})
	commands = append(commands, p.addCommands(got.ref, want)...)
	c := change{ref: got.ref, kind: swap, commands: commands, options: want.options}
	if !got.maint {
		c.undo = setState(got.ref, "ready")
	}
	p.changes = append(p.changes, c)
}

// replaceable tells whether another server of the backend takes traffic.
func (p *planner) replaceable(s *runningServer) bool {
	for name, other := range p.run.backends[s.backend] {
		if name != s.server && other.takesTraffic() {
			return true
		}
	}
	return false
}

func (s *runningServer) takesTraffic() bool {
	return !s.maint && !s.drain && s.weight > 0 && s.health != "down" && !s.backup
}

// adjust changes what commands can change. The file drains by a weight of 0, which lasts across a restart, and so do the
// commands: whoever has set the state drain by hand finds it taken back.
func (p *planner) adjust(want serverLine, got *runningServer) {
	c := change{ref: got.ref, kind: tune}
	if want.weight != got.weight {
		c.send("set server %s weight %d", got.ref, want.weight)
	}
	if want.maxConn != got.maxConn {
		c.send("set maxconn server %s %d", got.ref, want.maxConn)
	}
	if want.check && !got.checked {
		c.send("enable health %s", got.ref)
	}
	switch {
	case want.disabled && !got.maint:
		c.kind = sink
		c.send("set server %s state %s", got.ref, "maint")
	case !want.disabled && (got.maint || got.drain):
		c.kind = rise
		c.send("set server %s state %s", got.ref, "ready")
	case want.weight > 0 && got.weight == 0:
		c.kind = rise
	}
	if len(c.commands) > 0 {
		p.changes = append(p.changes, c)
	}
}

func (c *change) send(format string, args ...any) {
	c.commands = append(c.commands, command{fmt.Sprintf(format, args...), silence})
}

// remove switches a server off at once and deletes it, which HAProxy refuses while a connection is open.
func (p *planner) remove(got *runningServer) {
	c := change{ref: got.ref, kind: sweep}
	if !got.maint {
		c.kind = remove
		c.send("set server %s state %s", got.ref, "maint")
	}
	c.commands = append(c.commands, command{"del server " + got.String(), deleted})
	p.changes = append(p.changes, c)
}

// reasons joins what calls for a reload, each reason once, and not more than a log line should hold.
func reasons(all []string) string {
	const limit = 3
	var kept []string
	for _, r := range all {
		if !slices.Contains(kept, r) {
			kept = append(kept, r)
		}
	}
	if more := len(kept) - limit; more > 0 {
		kept = append(kept[:limit], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(kept, "; ")
}
