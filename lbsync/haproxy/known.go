package haproxy

import (
	"fmt"
	"os"
)

// A memory is what is known of one worker beyond what it tells: HAProxy shows few of a server's options.
type memory struct {
	// pid is the worker's process id.
	pid int
	// options are those that its servers were given, by us or by the file that it has loaded.
	options map[ref]string
	// refused are the backends to which it adds no servers by command, with its reason.
	refused map[string]string
	// ids are those that its servers have. A server keeps its id as long as it runs.
	ids map[ref]int
}

func newMemory() *memory {
	return &memory{options: map[ref]string{}, refused: map[string]string{}, ids: map[ref]int{}}
}

// meet begins anew for a worker that was not seen before. It has loaded the file in place, or has been brought to it by
// commands: lbsync replaces the file only after the commands. Where that file has another structure, nothing is known.
func (m *memory) meet(run *running, config string) {
	if m.pid != run.pid {
		*m = *newMemory()
		m.pid = run.pid
		m.learn(run, config)
	}
	clear(m.ids)
	for _, servers := range run.backends {
		for _, s := range servers {
			m.ids[s.ref] = s.id
		}
	}
}

func (m *memory) learn(run *running, config string) {
	text, err := os.ReadFile(config)
	if err != nil {
		return // Nothing is known then.
	}
	file := parseFile(text)
	if file.marker != run.marker {
		return
	}
	for _, b := range file.backends {
		for _, s := range b.servers {
			m.options[ref{b.name, s.name}] = s.options
		}
	}
}

// refuses records that a backend takes no servers by command.
func (m *memory) refuses(backend, words string) {
	m.refused[backend] = fmt.Sprintf("backend %s takes no servers by command: %s", backend, shorten(words))
}

// changed records what a change has done.
func (m *memory) changed(c change) {
	switch c.kind {
	case add, swap:
		m.options[c.ref] = c.options
	case remove, sweep:
		delete(m.options, c.ref)
	case rise, tune, sink:
	}
}
