package gossip

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
)

// keys keeps memberlist's key ring as a file says. To replace a key with no message
// lost: put the new one below the old on all nodes, then above it on all nodes, then
// take the old one out on all nodes.
type keys struct {
	file     string
	log      *slog.Logger
	ring     *memberlist.Keyring
	failures atomic.Uint64

	// Only the goroutine of run has what follows.
	content []byte // of the file when it was looked at last
	failed  bool   // it could not be read then
}

// openKeys reads the key file.
func openKeys(file string, log *slog.Logger) (*keys, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	all, err := parseKeys(content)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", file, err)
	}
	ring, err := memberlist.NewKeyring(all, all[0])
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", file, err)
	}
	return &keys{file: file, log: log, ring: ring, content: content}, nil
}

// parseKeys parses a key file. There is at least one key in the result. Errors name
// lines and show nothing of them.
func parseKeys(content []byte) ([][]byte, error) {
	var all [][]byte
	number := 0
	for line := range strings.Lines(string(content)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(line)
		if err != nil {
			return nil, fmt.Errorf("line %d is not base64", number)
		}
		if memberlist.ValidateKey(key) != nil {
			return nil, fmt.Errorf("line %d has %d bytes, not 16, 24 or 32", number, len(key))
		}
		if slices.ContainsFunc(all, func(k []byte) bool { return bytes.Equal(k, key) }) {
			return nil, fmt.Errorf("line %d repeats a key", number)
		}
		all = append(all, key)
	}
	if len(all) == 0 {
		return nil, errors.New("there is no key in it")
	}
	return all, nil
}

// run looks at the file now and then until the context ends.
func (k *keys) run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			k.look()
		}
	}
}

// look installs the keys of the file if it has changed. One that cannot be used leaves
// the keys as they are and is told once.
func (k *keys) look() {
	content, err := os.ReadFile(k.file)
	if err != nil {
		if !k.failed {
			k.fail(err)
		}
		k.failed = true
		return
	}
	k.failed = false
	if bytes.Equal(content, k.content) {
		return
	}
	k.content = content
	all, err := parseKeys(content)
	if err == nil {
		err = install(k.ring, all)
	}
	if err != nil {
		k.fail(err)
		return
	}
	k.log.Info("gossip keys changed", "file", k.file, "keys", len(all))
}

func (k *keys) fail(err error) {
	k.failures.Add(1)
	k.log.Error("key file cannot be used, the keys stay as they were", "file", k.file, "error", err)
}

// install makes a ring hold the given keys, the first to encrypt. What was readable and
// is still in the list stays readable all the time.
func install(ring *memberlist.Keyring, all [][]byte) error {
	for _, key := range all {
		if err := ring.AddKey(key); err != nil {
			return err
		}
	}
	if err := ring.UseKey(all[0]); err != nil {
		return err
	}
	return retire(ring, all)
}

// retire removes all other keys. memberlist edits the list that readers hold when a key
// is not the last of it, so those to stay are moved before the others first; each of
// them encrypts for a moment on the way.
func retire(ring *memberlist.Keyring, stay [][]byte) error {
	in := func(key []byte) bool {
		return slices.ContainsFunc(stay, func(k []byte) bool { return bytes.Equal(k, key) })
	}
	now := slices.Clone(ring.GetKeys())
	if first := slices.IndexFunc(now, func(k []byte) bool { return !in(k) }); first >= 0 &&
		slices.ContainsFunc(now[first:], in) {
		for _, key := range slices.Backward(stay) {
			if err := ring.UseKey(key); err != nil {
				return err
			}
		}
	}
	for _, key := range slices.Backward(slices.Clone(ring.GetKeys())) {
		if in(key) {
			break
		}
		if err := ring.RemoveKey(key); err != nil {
			return err
		}
	}
	return nil
}
