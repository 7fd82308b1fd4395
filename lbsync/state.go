package lbsync

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// A stateDir keeps what a target has applied last: its pools, for a registry that has lost its entries or is away when
// lbsync starts, and its file, for a reload that fails.
type stateDir struct {
	pools liveFile
	file  liveFile // no path: not kept
}

// openState returns the state of a target in dir or, without one, beside the target's file.
func openState(dir string, f liveFile) stateDir {
	if dir == "" {
		return stateDir{pools: liveFile{path: f.beside(".rollcall-pools")}}
	}
	path, err := filepath.Abs(f.path)
	if err != nil {
		path = f.path
	}
	sum := sha256.Sum256([]byte(path))
	dir = filepath.Join(dir, filepath.Base(path)+"."+hex.EncodeToString(sum[:4]))
	return stateDir{
		pools: liveFile{path: filepath.Join(dir, "pools.json")},
		file:  liveFile{path: filepath.Join(dir, "last-good")},
	}
}

// savedState is what load finds.
type savedState struct {
	services map[string]savedService
	file     []byte // nil: none
}

// A savedService is a pool that was applied, with the registry's index of that moment.
type savedService struct {
	index uint64
	hosts []candidate
}

// savedForm is the form of the file. Servers are written as values and read back by the strict parser.
type savedForm struct {
	Services map[string]savedServiceForm `json:"services"`
}

type savedServiceForm struct {
	Index uint64          `json:"index"`
	Hosts []savedHostForm `json:"hosts"`
}

type savedHostForm struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// save replaces what is kept.
func (d stateDir) save(services map[string]savedService, file []byte) error {
	text, err := json.MarshalIndent(formOf(services), "", "  ")
	if err != nil {
		return fmt.Errorf("pools: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(d.pools.path), 0o755); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	if err := d.pools.write(append(text, '\n')); err != nil {
		return fmt.Errorf("pools: %w", err)
	}
	if d.file.path == "" {
		return nil
	}
	if err := d.file.write(file); err != nil {
		return fmt.Errorf("last good file: %w", err)
	}
	return nil
}

func formOf(services map[string]savedService) savedForm {
	form := savedForm{Services: map[string]savedServiceForm{}}
	for name, svc := range services {
		out := savedServiceForm{Index: svc.index}
		for _, c := range svc.hosts {
			c.server.Host = "" // The address is what was applied.
			out.Hosts = append(out.Hosts, savedHostForm{Key: c.key, Value: c.server.Value()})
		}
		form.Services[name] = out
	}
	return form
}

// load reads what was saved. What cannot be read is missing, and said in the error; a line that is not a server is left
// out.
func (d stateDir) load() (savedState, error) {
	services, err := d.loadPools()
	s := savedState{services: services}
	if d.file.path != "" {
		var fileErr error
		s.file, fileErr = d.file.read()
		err = errors.Join(err, fileErr)
	}
	return s, err
}

func (d stateDir) loadPools() (map[string]savedService, error) {
	text, err := d.pools.read()
	if err != nil || text == nil {
		return nil, err
	}
	var form savedForm
	if err := json.Unmarshal(text, &form); err != nil {
		return nil, fmt.Errorf("pools: %w", err)
	}
	services := map[string]savedService{}
	for name, in := range form.Services {
		svc := savedService{index: in.Index}
		for _, h := range in.Hosts {
			if s, err := ParseValue(h.Value, 0); err == nil && s.Host == "" && checkKey(h.Key) == nil {
				svc.hosts = append(svc.hosts, candidate{key: h.Key, server: s})
			}
		}
		services[name] = svc
	}
	return services, nil
}
