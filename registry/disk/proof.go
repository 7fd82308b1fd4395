package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	proofFile = "synced"
	// proofInterval is how often the proof is written at most.
	proofInterval = 2 * time.Second
)

// proof is a number beside the journal: up to there commits were acknowledged. Without it the
// end of a log that has gone bad could not be told from a write that a crash has cut short.
type proof struct {
	fs   vfs.FS
	path string

	mu      sync.Mutex
	number  uint64 // of the latest synced commit
	written uint64 // what the file holds
	wake    chan struct{}
	stop    chan struct{}
	ended   chan struct{}
}

// openProof compares the number with that of the journal, which must have reached it.
func openProof(disk vfs.FS, dir string, number uint64) (*proof, error) {
	p := &proof{
		fs: disk, path: filepath.Join(dir, proofFile), number: number,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	text, err := readText(disk, p.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("data directory: %w", err)
	default:
		if p.written, err = strconv.ParseUint(strings.TrimSpace(text), 10, 64); err != nil {
			return nil, damage(dir, fmt.Errorf("%s holds %.40q, which is no number", p.path, text))
		}
	}
	if p.written > number {
		return nil, damage(dir, fmt.Errorf("it ends with commit %d, and %d were acknowledged", number, p.written))
	}
	go p.run()
	return p, nil
}

// note takes a commit that is synced.
func (p *proof) note(number uint64) {
	p.mu.Lock()
	p.number = number
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// run writes the number down now and then.
func (p *proof) run() {
	defer close(p.ended)
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-pause.C:
		}
		select {
		case <-p.stop:
			return
		case <-p.wake:
		}
		_ = p.write() // it only makes a damage harder to see; the next write comes soon
		pause.Reset(proofInterval)
	}
}

func (p *proof) write() error {
	p.mu.Lock()
	number, same := p.number, p.number == p.written
	p.mu.Unlock()
	if same {
		return nil
	}
	if err := replaceSynced(p.fs, p.path, strconv.FormatUint(number, 10)+"\n"); err != nil {
		return err
	}
	p.mu.Lock()
	p.written = number
	p.mu.Unlock()
	return nil
}

// close ends the writing, for the last time with what is true then.
func (p *proof) close() error {
	close(p.stop)
	<-p.ended
	return p.write()
}
