package gossip

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	// maxKnown bounds the number of former peers that are remembered.
	maxKnown = 64
	// knownTries is how many of them are tried in one attempt to join.
	knownTries = 16
	// knownFor is how long a peer is remembered while there are others.
	knownFor = 24 * time.Hour
	// saveTimeout is how long their file is waited for.
	saveTimeout = time.Second
)

// knownPeers is the addresses of the peers there are and were, kept in a file.
type knownPeers struct {
	file string // "" if they are not kept
	log  *slog.Logger

	mu   sync.Mutex
	seen map[string]time.Time // when it was last a live member

	// Only the goroutine that saves has what follows.
	saved   []byte
	failed  bool
	writing chan error                 // has the outcome of a write that is under way; nil for none
	replace func(string, []byte) error // replaceFile; tests set it
}

// openKnown reads the file, if there is one. A line that is no address is left out.
func openKnown(file string, log *slog.Logger, now time.Time) (*knownPeers, error) {
	k := &knownPeers{file: file, log: log, seen: make(map[string]time.Time), replace: replaceFile}
	if file == "" {
		return k, nil
	}
	content, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(content)); lines.Scan() && len(k.seen) < maxKnown; {
		host, port, err := splitAddr(lines.Text())
		if err == nil && net.ParseIP(host) != nil {
			k.seen[joinAddr(host, port)] = now
		}
	}
	return k, nil
}

// isEmpty reports whether no peer is known.
func (k *knownPeers) isEmpty() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.seen) == 0
}

// note remembers the peers that are live now. Without any, all others are kept.
func (k *knownPeers) note(addrs []string, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(addrs) == 0 {
		return
	}
	for _, a := range addrs {
		k.seen[a] = now
	}
	byAge := make([]string, 0, len(k.seen))
	for a := range k.seen {
		byAge = append(byAge, a)
	}
	slices.SortFunc(byAge, func(a, b string) int { return k.seen[b].Compare(k.seen[a]) })
	for i, a := range byAge {
		if i >= maxKnown || now.Sub(k.seen[a]) > knownFor {
			delete(k.seen, a)
		}
	}
}

// pick returns some of those that are not to be skipped, at random.
func (k *knownPeers) pick(skip map[string]bool) []string {
	all := slices.DeleteFunc(k.list(), func(addr string) bool { return skip[addr] })
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(len(all), knownTries)]
}

// list returns all of them, sorted.
func (k *knownPeers) list() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make([]string, 0, len(k.seen))
	for a := range k.seen {
		all = append(all, a)
	}
	slices.Sort(all)
	return all
}

// save writes the file if the peers have changed. That it fails is told once. A disk that
// hangs has one write at a time and holds nothing else up.
func (k *knownPeers) save() {
	if k.file == "" {
		return
	}
	var content []byte
	for _, a := range k.list() {
		content = append(append(content, a...), '\n')
	}
	if len(content) == 0 || bytes.Equal(content, k.saved) {
		return
	}
	err := k.write(content)
	if err == nil {
		k.saved = content
	} else if !k.failed {
		k.log.Error("peers cannot be kept", "file", k.file, "error", err)
	}
	k.failed = err != nil
}

// write replaces the file unless the disk still has an earlier write.
func (k *knownPeers) write(content []byte) error {
	timeout := time.After(saveTimeout)
	for {
		under := k.writing != nil
		if !under {
			done := make(chan error, 1)
			k.writing = done
			go func() { done <- k.replace(k.file, content) }()
		}
		select {
		case err := <-k.writing:
			if k.writing = nil; !under {
				return err
			}
		case <-timeout:
			return fmt.Errorf("the disk has not answered for %v", saveTimeout)
		}
	}
}

// replaceFile writes a file so that it has the old content or the new one, whole, also
// after a crash.
func replaceFile(name string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
