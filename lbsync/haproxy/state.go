package haproxy

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"rollcall/lbsync"
)

const (
	askInfo  = "show info"
	askState = "show servers state"
	askStat  = "show stat"
)

// Bits of show servers state, as HAProxy's management guide describes them for format 1.
const (
	adminMaint   = 0x01 // srv_admin_state: forced maintenance.
	adminDrain   = 0x08 // srv_admin_state: forced drain.
	checkThere   = 0x02 // srv_check_state: configured.
	checkEnabled = 0x04 // srv_check_state: enabled.
)

// A ref names a server of a running HAProxy.
type ref struct {
	backend, server string
}

func (r ref) String() string { return r.backend + "/" + r.server }

// A running is what a worker says of itself.
type running struct {
	pid int
	// marker is the generation of the structure that the worker has loaded, empty for none.
	marker string
	// backends are all of the worker, those without servers too.
	backends map[string]map[string]*runningServer
}

// A runningServer is a server as HAProxy reports it.
type runningServer struct {
	ref
	id      int
	addr    netip.AddrPort // invalid for a server without an IP address
	weight  int            // as configured or commanded; slow start does not change it
	maxConn int            // 0 is no limit
	maint   bool
	drain   bool // by command; a weight of 0 does the same
	backup  bool
	check   bool // has a check
	checked bool // the check is switched on
	// sessions are requests under way; health is "up", "down" or "unknown".
	sessions int
	health   string
}

// state is the server's state in lbsync's words.
func (s *runningServer) state() lbsync.State {
	switch {
	case s.maint:
		return lbsync.Down
	case s.drain || s.weight == 0:
		return lbsync.Drain
	default:
		return lbsync.Up
	}
}

// readWorker asks a worker for all that matters here.
func readWorker(ctx context.Context, a asker) (*running, error) {
	run := &running{}
	var err error
	if run.pid, run.marker, err = identify(ctx, a); err != nil {
		return nil, err
	}
	stat, err := a.ask(ctx, askStat)
	if err != nil {
		return nil, err
	}
	if err := run.readStat(stat); err != nil {
		return nil, err
	}
	state, err := a.ask(ctx, askState)
	if err != nil {
		return nil, err
	}
	return run, run.readState(state)
}

// identify asks a worker for its process id and its marker.
func identify(ctx context.Context, a asker) (pid int, marker string, err error) {
	info, err := a.ask(ctx, askInfo)
	if err != nil {
		return 0, "", err
	}
	if pid, err = parsePID(info); err != nil {
		return 0, "", err
	}
	reply, err := a.ask(ctx, askMarker)
	if err != nil {
		return 0, "", err
	}
	marker, err = parseMarker(reply)
	return pid, marker, err
}

// parsePID finds the line "Pid: 4711" of show info.
func parsePID(info string) (int, error) {
	for row := range strings.Lines(info) {
		if text, ok := strings.CutPrefix(row, "Pid: "); ok && strings.HasPrefix(info, "Name: HAProxy\n") {
			return strconv.Atoi(strings.TrimSpace(text))
		}
	}
	return 0, &replyError{command: askInfo, reply: info}
}

// Columns of the two tables that are read. HAProxy adds new ones at the end.
var (
	statColumns  = []string{"pxname", "svname", "scur", "slim", "status", "bck", "type"}
	stateColumns = []string{
		"be_name", "srv_id", "srv_name", "srv_addr", "srv_admin_state", "srv_uweight", "srv_check_state", "srv_port",
	}
)

// A table is an answer of rows below a header such as "# name,name...".
type table struct {
	command, separator string
	columns            []string // those to read
}

// A record is one row of a table: the fields of the columns to read, by name. The first fault is kept.
type record struct {
	table  table
	fields []string
	err    error
}

// read calls f for each row. An answer without its closing empty line was cut off. Fields are not unquoted: HAProxy quotes
// only texts of checks, which stand behind all columns that are read here.
func (t table) read(reply string, f func(*record)) error {
	body, ok := strings.CutPrefix(reply, "# ")
	body, complete := strings.CutSuffix(body, "\n\n")
	if !ok || !complete {
		return &replyError{command: t.command, reply: reply}
	}
	header, body, _ := strings.Cut(body, "\n")
	places, err := t.places(header)
	if err != nil {
		return err
	}
	r := record{table: t, fields: make([]string, len(t.columns))}
	all := make([]string, slices.Max(places)+1)
	for row := range strings.Lines(body) {
		if !cut(strings.TrimSuffix(row, "\n"), t.separator, all) {
			return &replyError{command: t.command, reply: row}
		}
		for i, place := range places {
			r.fields[i] = all[place]
		}
		if f(&r); r.err != nil {
			return fmt.Errorf("%s: %w", t.command, r.err)
		}
	}
	return nil
}

// places finds the columns to read.
func (t table) places(header string) ([]int, error) {
	names := strings.Split(header, t.separator)
	places := make([]int, len(t.columns))
	for i, column := range t.columns {
		if places[i] = slices.Index(names, column); places[i] < 0 {
			return nil, fmt.Errorf("%s: no column %s", t.command, column)
		}
	}
	return places, nil
}

// cut fills fields with the first fields of a row and tells whether there were enough.
func cut(row, separator string, fields []string) bool {
	found := true
	for i := range fields {
		if !found {
			return false
		}
		fields[i], row, found = strings.Cut(row, separator)
	}
	return true
}

func (r *record) text(column string) string {
	return r.fields[slices.Index(r.table.columns, column)]
}

// number is 0 for an empty field.
func (r *record) number(column string) int {
	text := r.text(column)
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("column %s: %w", column, err)
	}
	return n
}

// readStat makes the backends and their servers from show stat.
func (run *running) readStat(reply string) error {
	run.backends = map[string]map[string]*runningServer{}
	return table{askStat, ",", statColumns}.read(reply, func(r *record) {
		name := strings.Clone(r.text("pxname"))
		switch r.text("type") {
		case "1": // Backend.
			run.backend(name)
		case "2": // Server.
			s := readStatServer(r, name)
			run.backend(name)[s.server] = s
		}
	})
}

func (run *running) backend(name string) map[string]*runningServer {
	if run.backends[name] == nil {
		run.backends[name] = map[string]*runningServer{}
	}
	return run.backends[name]
}

func readStatServer(r *record, backend string) *runningServer {
	return &runningServer{
		ref:      ref{backend: backend, server: strings.Clone(r.text("svname"))},
		maxConn:  r.number("slim"),
		backup:   r.number("bck") == 1,
		sessions: r.number("scur"),
		health:   health(r.text("status")),
	}
}

// health reads the status column: "UP", "UP 1/3", "DOWN (agent)", "NOLB", "DRAIN", "MAINT (via a/b)", "no check".
func health(status string) string {
	word, _, _ := strings.Cut(status, " ")
	switch word {
	case "UP", "NOLB", "DRAIN":
		return "up"
	case "DOWN":
		return "down"
	default:
		return "unknown"
	}
}

// readState adds what show servers state knows. Its first line is the version of its format, and 1 is the only one.
func (run *running) readState(reply string) error {
	body, ok := strings.CutPrefix(reply, "1\n")
	if !ok {
		return &replyError{command: askState, reply: reply}
	}
	seen := 0
	err := table{askState, " ", stateColumns}.read(body, func(r *record) {
		servers, known := run.backends[r.text("be_name")]
		if !known {
			return // A proxy of HAProxy's own.
		}
		s := servers[r.text("srv_name")]
		if s == nil {
			r.err = fmt.Errorf("server %s/%s is not in show stat", r.text("be_name"), r.text("srv_name"))
			return
		}
		seen++
		s.readState(r)
	})
	if err == nil && seen != run.count() {
		err = fmt.Errorf("%s: %d servers, and %d in show stat", askState, seen, run.count())
	}
	return err
}

func (s *runningServer) readState(r *record) {
	s.id = r.number("srv_id")
	s.weight = r.number("srv_uweight")
	admin, check := r.number("srv_admin_state"), r.number("srv_check_state")
	s.maint, s.drain = admin&adminMaint != 0, admin&adminDrain != 0
	s.check, s.checked = check&checkThere != 0, check&checkEnabled != 0
	s.addr, _ = joinAddr(r.text("srv_addr"), r.text("srv_port")) // "-" for a server without one.
	if !s.check {
		s.health = "unknown"
	}
}

func (run *running) count() int {
	n := 0
	for _, servers := range run.backends {
		n += len(servers)
	}
	return n
}
