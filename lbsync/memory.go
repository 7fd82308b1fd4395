package lbsync

import (
	"encoding/json"
	"fmt"
)

// The pools that were applied last lie in a file beside the balancer's file. It is read at start alone: a registry that
// has lost a service's entries while lbsync was not running must not empty its pool.

// remembered is the form of that file. Servers are written as values and read back by the strict parser.
type remembered struct {
	Pools map[string][]string `json:"pools"`
}

const memorySuffix = ".rollcall-pools"

// saveMemory writes the pools of a target.
func saveMemory(f liveFile, pools []Pool) error {
	m := remembered{Pools: map[string][]string{}}
	for _, p := range pools {
		for _, s := range p.Servers {
			s.Host = "" // The address is what was applied.
			m.Pools[p.Name] = append(m.Pools[p.Name], s.Value())
		}
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("remember pools: %w", err)
	}
	if err := memoryFile(f).write(append(text, '\n')); err != nil {
		return fmt.Errorf("remember pools: %w", err)
	}
	return nil
}

// loadMemory reads them back; without a file there are none.
func loadMemory(f liveFile) ([]Pool, error) {
	text, err := memoryFile(f).read()
	if err != nil || text == nil {
		return nil, err
	}
	var m remembered
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("remembered pools: %w", err)
	}
	var pools []Pool
	for name, values := range m.Pools {
		entries := make([]Entry, len(values))
		for i, v := range values {
			entries[i] = Entry{Key: fmt.Sprintf("remembered-%06d", i), Value: v}
		}
		pool, _ := buildPool(name, 0, entries, noLookup)
		pools = append(pools, pool)
	}
	return pools, nil
}

func memoryFile(f liveFile) liveFile { return liveFile{path: f.beside(memorySuffix)} }
