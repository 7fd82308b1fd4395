package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall/cmd/registry/bench/kit"
)

const (
	// markPath is written at the end of a turn. Changes of one node are seen in their order, so a watcher that sees the
	// mark has seen all before it.
	markPath = watchedDir + "/mark"
	// markTimeout bounds how far behind a watcher may be at the end of a turn.
	markTimeout = 30 * time.Second

	allDir = "/v2/keys/bench"
	// watchedDir has one of watchedPart changes. etcd drops a watcher without a word once it has 100 events that were not
	// sent, so that a watch of all that a cluster can take does not live for long there.
	watchedDir  = allDir + "/watched"
	watchedPart = 16
)

// A follower reads a watch of a directory at one server, in one long answer.
type follower struct {
	server string
	wire   *wire
	lines  *bufio.Reader
	lags   []time.Duration
}

// follow begins a watch. It returns once the server has registered it.
func follow(ctx context.Context, s *server, dir string) (*follower, error) {
	w, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	if err := w.send(getRequest(dir + "?wait=true&recursive=true&stream=true")); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	// The head is sent when the watch is registered.
	resp, err := http.ReadResponse(w.reader, nil)
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("watch %s: %s", s.name, resp.Status), resp.Body.Close(), w.Close())
	}
	return &follower{server: s.name, wire: w, lines: bufio.NewReaderSize(resp.Body, 64<<10)}, nil
}

// readUntil reads events until it has read the mark. A watch that ends before has lost its place.
func (f *follower) readUntil(c clock, mark string) error {
	for {
		line, err := f.lines.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("the watch at %s ended after %d events: %w", f.server, len(f.lags), err)
		}
		if len(line) == 1 {
			continue
		}
		e, err := parseEvent(line)
		switch {
		case err != nil:
			return err
		case e.mark == "":
			f.lags = append(f.lags, time.Duration(c.micros(time.Now())-e.sent)*time.Microsecond)
		case e.mark == mark:
			return nil
		}
	}
}

// followers watch one cluster: one at each server but the writer.
type followers struct {
	clock clock
	all   []*follower
	group errgroup.Group
	mark  string
}

// followOthers begins to watch a directory at all servers that do not take the changes.
func (b *bench) followOthers(ctx context.Context, c *cluster, dir string) (*followers, error) {
	if err := c.writeMark(ctx, "mark"); err != nil { // The directory must exist.
		return nil, err
	}
	fs := &followers{clock: b.clock, mark: "mark" + strconv.FormatInt(b.clock.micros(time.Now()), 10)}
	for _, s := range c.others() {
		if err := s.waitDirectory(ctx); err != nil {
			return nil, errors.Join(err, fs.close())
		}
		f, err := follow(ctx, s, dir)
		if err != nil {
			return nil, errors.Join(err, fs.close())
		}
		fs.all = append(fs.all, f)
	}
	for _, f := range fs.all {
		fs.group.Go(func() error { return f.readUntil(fs.clock, fs.mark) })
	}
	return fs, nil
}

// waitDirectory waits until the first mark has arrived.
func (s *server) waitDirectory(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, markTimeout, errors.New("the first entry does not arrive at "+s.name))
	defer cancel()
	for {
		if _, err := s.get(ctx, markPath); err == nil {
			return nil
		}
		if err := kit.Pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// finish waits until all watchers have seen what was changed, and returns how long each change took to each of them.
func (fs *followers) finish(ctx context.Context, c *cluster) ([]time.Duration, error) {
	if err := c.writeMark(ctx, fs.mark); err != nil {
		return nil, err
	}
	for _, f := range fs.all {
		if err := f.wire.SetDeadline(time.Now().Add(markTimeout)); err != nil {
			return nil, err
		}
	}
	if err := fs.group.Wait(); err != nil {
		return nil, err
	}
	var lags []time.Duration
	for _, f := range fs.all {
		lags = slices.Concat(lags, f.lags)
	}
	return lags, nil
}

// close ends the watches.
func (fs *followers) close() error {
	var errs []error
	for _, f := range fs.all {
		errs = append(errs, f.wire.Close())
	}
	_ = fs.group.Wait() // They end because of this.
	return errors.Join(errs...)
}

func (c *cluster) writeMark(ctx context.Context, mark string) error {
	w, err := c.writer().dial(ctx)
	if err != nil {
		return err
	}
	return errors.Join(w.do(putRequest(markPath, "value="+mark)), w.Close())
}

// agree makes sure that all servers hold the same, and so that what a watcher did not see was replaced by what it saw.
func (c *cluster) agree(ctx context.Context) error {
	var first map[string]string
	for _, s := range c.servers {
		values, err := s.values(ctx, allDir)
		if err != nil {
			return err
		}
		if first == nil {
			first = values
		}
		if len(values) != len(first) {
			return fmt.Errorf("%s holds %d entries, %s %d", s.name, len(values), c.writer().name, len(first))
		}
		for key, value := range values {
			if first[key] != value {
				return fmt.Errorf("%s holds %s=%s, %s %s", s.name, key, value, c.writer().name, first[key])
			}
		}
	}
	return nil
}
