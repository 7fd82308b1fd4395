package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/metrics"
	"rollcall/registry"
	"rollcall/registry/disk"
	"rollcall/registry/httpapi"
)

// maxIndexAhead is how far in the future the indexes of a former run may be. More is
// not a clock that was wrong for a while but a damaged file.
const maxIndexAhead = 365 * 24 * time.Hour

const (
	// flushTimeout is how long a node that stops waits for its last changes to reach the disk.
	flushTimeout = 5 * time.Second
	// troubledFlushTimeout is flushTimeout for a disk that is in trouble already.
	troubledFlushTimeout = time.Second
)

// data is a node's data directory. A nil one is none: then nothing is kept.
type data struct {
	dir     string
	after   uint64 // bound of the indexes of former runs, 0 if there were none
	mark    *disk.Mark
	db      *disk.DB
	metrics *metrics.Disk
	log     *slog.Logger
}

// openData opens the data directory of a configuration, nil if it has none.
func openData(cfg *nodeConfig, log *slog.Logger) (_ *data, err error) {
	if cfg.dataDir == "" {
		log.Info("there is no --data-dir: all is in memory only, and what has no TTL is lost when the node ends")
		return nil, nil //nolint:nilnil // a nil *data is none
	}
	d := &data{dir: cfg.dataDir, metrics: metrics.NewDisk(), log: log}
	if d.mark, err = disk.OpenMark(d.dir, 60*registry.IndexesPerSecond); err != nil {
		return nil, err
	}
	err = d.readMark()
	if err == nil {
		err = d.openJournal(cfg)
	}
	if err != nil {
		return nil, errors.Join(err, d.mark.Close())
	}
	return d, nil
}

// readMark finds out what indexes former runs may have given out.
func (d *data) readMark() error {
	d.after = d.mark.Bound()
	ahead, tag := registry.IndexAhead(d.after, time.Now())
	if tag == 0 || tag > registry.MaxTag { // no index of a node
		d.mark.Forget()
		d.after = 0
		return nil
	}
	if ahead > maxIndexAhead {
		return fmt.Errorf("the index mark in %s is %v ahead of the clock; set the clock, or remove the file index and have all clients list again",
			d.dir, ahead.Round(time.Hour))
	}
	return nil
}

// openJournal opens the journal, an empty one if all is to come from other nodes.
func (d *data) openJournal(cfg *nodeConfig) (err error) {
	if cfg.resync || d.isResyncing() {
		if !cfg.gossip.isOn() || len(cfg.gossip.join) == 0 {
			return fmt.Errorf("data directory %s: a resync has begun and needs other nodes; start with --join, or restore a backup into an empty directory", d.dir)
		}
		if err := disk.SetAside(d.dir); err != nil {
			return err
		}
		d.log.Warn("this node takes its whole state from the other nodes, and serves when it has it", "data_dir", d.dir)
	}
	if d.db, err = disk.Open(d.dir, disk.Options{Log: d.log, ObserveCommit: d.metrics.Observe}); err != nil {
		return err
	}
	d.metrics.Watch(d.db.Stats)
	return nil
}

// attach gives the store what the journal holds.
func (d *data) attach(store *registry.Store) error {
	if d == nil {
		return nil
	}
	began := time.Now()
	if err := store.Attach(d.db); err != nil {
		return err
	}
	if stats := store.Stats(); stats.Files+stats.Dirs > 0 {
		d.log.Info("the state of the former run is back", "entries", stats.Files, "leases", stats.Leases, "took", time.Since(began).Round(time.Millisecond).String())
	}
	return d.mark.Raise(store.Index())
}

// raise writes the larger indexes down at once: after a crash they must not go back.
func (d *data) raise(index uint64) {
	if d == nil {
		return
	}
	if err := d.mark.Raise(index); err != nil {
		d.log.Warn("index mark not written", "error", err)
	}
}

// run keeps the store on disk until the context ends, and then for as long as its last
// changes take.
func (d *data) run(ctx context.Context, store *registry.Store) {
	if d == nil {
		return
	}
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		_ = store.Keep(ctx) // the journal has said why
	}()
	d.mark.Run(ctx, store.Index, d.log)
	wait := flushTimeout
	if d.db.Err() != nil {
		wait = troubledFlushTimeout
	}
	select {
	case <-kept:
	case <-time.After(wait): // closing the journal tells why
	}
}

// isResyncing tells whether what it holds is not all that the node had.
func (d *data) isResyncing() bool { return d != nil && disk.IsResyncing(d.dir) }

// endResync notes that the store has what the other nodes have, once that is on disk, too.
func (d *data) endResync(ctx context.Context, store *registry.Store) {
	if !d.isResyncing() {
		return
	}
	err := store.Flush(ctx)
	if err == nil {
		err = disk.EndResync(d.dir)
	}
	if err != nil {
		d.log.Warn("the resync has not ended and begins anew at the next start", "error", err)
		return
	}
	d.log.Info("the resync has ended; what was damaged is in db.damaged and may be removed")
}

// checks tell whether the disk is in order.
func (d *data) checks() []httpapi.Check {
	if d == nil {
		return nil
	}
	return []httpapi.Check{{Name: "disk", Fail: d.db.Err}}
}

// collectors are the metrics of the directory.
func (d *data) collectors() []prometheus.Collector {
	if d == nil {
		return nil
	}
	return []prometheus.Collector{d.metrics}
}

// close lets others have the directory.
func (d *data) close() error {
	if d == nil {
		return nil
	}
	return errors.Join(d.db.Close(), d.mark.Close())
}
