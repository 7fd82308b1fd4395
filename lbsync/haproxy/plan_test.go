package haproxy

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A simulation is HAProxy's part of the commands that a plan sends.
type simulation struct {
	servers map[string]*runningServer
	options map[string]string
	// held are servers with open connections.
	held map[string]bool
	sent []string
}

func (s *simulation) ask(_ context.Context, text string) (string, error) {
	s.sent = append(s.sent, text)
	words := strings.Fields(text)
	place := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "a/") })
	name := strings.TrimPrefix(words[place], "a/")
	rest := words[place+1:]
	got := s.servers[name]
	switch {
	case words[0] == "add":
		return s.add(name, rest), nil
	case got == nil:
		return "No such server.\n\n", nil
	case words[0] == "del":
		return s.del(got), nil
	case words[0] == "enable":
		got.checked = true
	case words[1] == "maxconn":
		got.maxConn, _ = strconv.Atoi(rest[0])
	case rest[0] == "weight":
		got.weight, _ = strconv.Atoi(rest[1])
	case rest[1] == "maint":
		got.maint, got.drain = true, false
	case rest[1] == "ready":
		got.maint, got.drain = false, false
	}
	return "\n", nil
}

func (s *simulation) add(name string, words []string) string {
	line, err := parseServer(append([]string{name}, words...))
	if err != nil {
		return "unknown keyword\n\n"
	}
	if s.servers[name] != nil {
		return "Already exists a server with the same name in backend.\n\n"
	}
	for _, other := range s.servers {
		if other.id == line.id {
			return "custom id already used\n\n"
		}
	}
	s.servers[name] = &runningServer{
		ref: ref{"a", name}, id: line.id, addr: line.addr, weight: line.weight, maxConn: line.maxConn,
		backup: line.backup, check: line.check, maint: true,
	}
	s.options[name] = line.options
	return "New server registered.\n\n"
}

func (s *simulation) del(got *runningServer) string {
	switch {
	case !got.maint:
		return "Only servers in maintenance mode can be deleted.\n"
	case s.held[got.server]:
		return textBusy + "\n"
	}
	delete(s.servers, got.server)
	return "Server deleted.\n"
}

// state is what the simulation would tell.
func (s *simulation) state() *running {
	return &running{pid: 1, backends: map[string]map[string]*runningServer{"a": s.servers}}
}

// anyLine draws a server of a file; a few addresses only, so that they meet those that run.
func anyLine(t *rapid.T, i int) serverLine {
	port := 80
	s := serverLine{
		name: fmt.Sprintf("s_10.0.0.%d_%d", i, port), addr: netip.MustParseAddrPort(fmt.Sprintf("10.0.0.%d:%d", i, port)),
		id:       rapid.IntRange(0, 12).Draw(t, "id"),
		weight:   rapid.SampledFrom([]int{0, 1, 100}).Draw(t, "weight"),
		maxConn:  rapid.SampledFrom([]int{0, 10}).Draw(t, "maxconn"),
		disabled: rapid.Bool().Draw(t, "disabled"), backup: rapid.Bool().Draw(t, "backup"), check: rapid.Bool().Draw(t, "check"),
	}
	if s.backup {
		s.options += "backup "
	}
	if s.check {
		s.options += "check "
	}
	s.options += rapid.SampledFrom([]string{"inter 1s", "inter 2s"}).Draw(t, "options")
	return s
}

// anyModel draws a file with one backend.
func anyModel(t *rapid.T) *model {
	b := &backend{name: "a"}
	ids := map[int]bool{}
	for i := range 8 {
		if !rapid.Bool().Draw(t, "present") {
			continue
		}
		line := anyLine(t, i+1)
		if ids[line.id] {
			line.id = 0
		}
		ids[line.id] = true
		b.servers = append(b.servers, line)
	}
	return &model{backends: []*backend{b}}
}

// A plan that is carried out leaves nothing to do but to delete what is busy, from any state to any other. What it
// cannot do is called a reload.
func TestPlanReachesTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sim := &simulation{servers: map[string]*runningServer{}, options: map[string]string{}, held: map[string]bool{}}
		known := newMemory()
		for range 3 {
			want := anyModel(t)
			for _, name := range slices.Sorted(maps.Keys(sim.servers)) {
				sim.held[name] = rapid.Bool().Draw(t, "held")
				sim.servers[name].drain = rapid.Bool().Draw(t, "drain by hand")
			}
			p := newPlan(want, sim.state(), known, []string{"a"})
			var refused []string
			for pass := 0; pass < passes && p.goesOn(pass, refused); pass++ {
				_, more, err := p.apply(t.Context(), sim, known)
				if err != nil {
					t.Fatal(err)
				}
				refused = append(refused, more...)
				p = newPlan(want, sim.state(), known, []string{"a"})
			}
			if len(refused) == 0 && len(p.reload) == 0 {
				checkReached(t, want, sim, p)
			}
		}
	})
}

func checkReached(t *rapid.T, want *model, sim *simulation, again plan) {
	if left := again.needed(); len(left) > 0 {
		t.Fatalf("left over: %+v\nsent %q", left, sim.sent)
	}
	wanted := map[string]bool{}
	for _, line := range want.backends[0].servers {
		wanted[line.name] = true
		got := sim.servers[line.name]
		if got == nil || got.weight != line.weight || got.maxConn != line.maxConn || got.maint != line.disabled || got.drain && !line.disabled ||
			got.backup != line.backup || got.check != line.check || line.check && !got.checked || sim.options[line.name] != line.options {
			t.Fatalf("wanted %+v, got %+v\nsent %q", line, got, sim.sent)
		}
	}
	for name, got := range sim.servers {
		if !wanted[name] && (!got.maint || !sim.held[name]) {
			t.Fatalf("%s is still there: %+v", name, got)
		}
	}
}

func TestPlanOrder(t *testing.T) {
	run := &running{backends: map[string]map[string]*runningServer{"a": {}}}
	for i, s := range []runningServer{
		{weight: 1}, {weight: 1, maint: true}, {weight: 1}, {weight: 1, maint: true},
	} {
		s.ref = ref{"a", fmt.Sprintf("s_10.0.0.%d_80", i+1)}
		s.addr, s.id = netip.MustParseAddrPort(fmt.Sprintf("10.0.0.%d:80", i+1)), i+1
		run.backends["a"][s.server] = &s
	}
	want := parseFile([]byte(`backend a
    server s_10.0.0.2_80 10.0.0.2:80
    server s_10.0.0.3_80 10.0.0.3:80 weight 2
    server s_10.0.0.5_80 10.0.0.5:80 id 1 check
`))
	id := freeID(netip.MustParseAddrPort("10.0.0.5:80"), nil) // 1 is taken by the server that goes.
	got := newPlan(want, run, newMemory(), nil).commands()
	if expect := []string{
		fmt.Sprintf("add server a/s_10.0.0.5_80 10.0.0.5:80 id %d weight 1 check", id),
		"enable health a/s_10.0.0.5_80",
		"set server a/s_10.0.0.5_80 state ready",
		"set server a/s_10.0.0.2_80 state ready",
		"set server a/s_10.0.0.3_80 weight 2",
		"set server a/s_10.0.0.1_80 state maint",
		"del server a/s_10.0.0.1_80",
		"del server a/s_10.0.0.4_80",
	}; !slices.Equal(got, expect) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(expect, "\n"))
	}
}
