package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall/registry/client"
)

// importWriters is how many writes are under way at a time: writes that come together share one sync of the disk.
const importWriters = 32

// importPause is how long a writer waits that a node finds too fast: a node's rate is counted by the second.
const importPause = time.Second

// importOptions say what import does about what it finds.
type importOptions struct {
	dryRun, overwrite bool
}

// outcomeOf says what became of an entry.
type outcomeOf int

const (
	isOpen      outcomeOf = iota // Not written, or not known to be: the import could not go on.
	isMade                       // It was not there.
	isReplaced                   // It had another value.
	isSame                       // It is there.
	isDifferent                  // It has another value, and was left.
	isRefused                    // It cannot be written.
	isExpired                    // Its TTL was over before it was written.
)

func (o outcomeOf) String() string {
	return [...]string{"open", "made", "replaced", "same", "differs", "refused", "expired"}[o]
}

// importItem is an entry of the source, and what became of it.
type importItem struct {
	key, value string
	dir        bool
	ttl        time.Duration // What was left when it was read; 0 means that there is none.
	outcome    outcomeOf
	why        string // For people, where the entry stays different from the source's.
}

// readSource takes all that an etcd shows at and below a key, directories before what is in them.
func (j *importJob) readSource(ctx context.Context, from *client.Client, prefix string) error {
	resp, err := from.Get(ctx, prefix, client.GetOptions{Recursive: true, Sorted: true, Quorum: true})
	if err != nil {
		return err
	}
	j.read, j.index = time.Now(), resp.Index
	eachNode(resp.Node, func(n *client.Node) {
		j.items = append(j.items, &importItem{key: n.Key, value: n.Value, dir: n.Dir, ttl: time.Duration(n.TTL) * time.Second})
	})
	return nil
}

// readTarget returns what the registry has at and below a key, by key.
func readTarget(ctx context.Context, to *client.Client, prefix string) (map[string]*client.Node, error) {
	there := map[string]*client.Node{}
	resp, err := to.Get(ctx, prefix, client.GetOptions{Recursive: true})
	switch {
	case client.IsNotFound(err):
		return there, nil
	case err != nil:
		return nil, err
	}
	eachNode(resp.Node, func(n *client.Node) { there[n.Key] = n })
	return there, nil
}

// eachNode calls f for a node and all below it, a directory before what is in it; not for the root, which nobody makes.
func eachNode(n *client.Node, f func(*client.Node)) {
	if n == nil {
		return
	}
	if n.Key != "" && n.Key != "/" {
		f(n)
	}
	for _, child := range n.Nodes {
		eachNode(child, f)
	}
}

// importJob copies items.
type importJob struct {
	importOptions
	to    *client.Client
	items []*importItem
	index uint64    // The source's, when it was read.
	read  time.Time // When the items' TTLs were what they say.
}

// run decides about each item by what is there, and writes what is to be written. It returns an error when it could not go on.
func (j *importJob) run(ctx context.Context, there map[string]*client.Node) error {
	levels := map[int][]*importItem{}
	blocked := "" // The latest directory of the source that is a file here: below it nothing can be.
	depths := 0
	for _, item := range j.items {
		if blocked != "" && strings.HasPrefix(item.key, blocked) {
			item.outcome = isRefused
			continue
		}
		if item.judge(there[item.key], j.overwrite); item.outcome == isRefused && item.dir {
			blocked = item.key + "/"
		}
		depth := strings.Count(item.key, "/")
		depths = max(depths, depth)
		levels[depth] = append(levels[depth], item)
	}
	if j.dryRun {
		return nil
	}
	var err error
	for depth := range depths + 1 { // A directory has its own TTL before there is something in it.
		if err == nil {
			err = j.write(ctx, levels[depth])
			continue
		}
		for _, item := range levels[depth] {
			item.reopen()
		}
	}
	return err
}

// reopen takes the decision back to write an item.
func (i *importItem) reopen() {
	if i.outcome == isMade || i.outcome == isReplaced {
		i.outcome = isOpen
	}
}

// judge compares an item with what is there, nil if nothing is.
func (i *importItem) judge(there *client.Node, overwrite bool) {
	switch {
	case there == nil:
		i.outcome, i.why = isMade, ""
	case there.Dir && !i.dir:
		i.outcome, i.why = isRefused, "a directory here, a value there"
	case !there.Dir && i.dir:
		i.outcome, i.why = isRefused, "a value here, a directory there; so is all below it"
	case i.dir, there.Value == i.value && (there.TTL > 0) == (i.ttl > 0):
		i.outcome = isSame
	case there.TTL > 0 && i.ttl > 0:
		i.outcome, i.why = isDifferent, "another value, with a TTL here and there"
	case overwrite:
		i.outcome, i.why = isReplaced, ""
	case there.Value != i.value:
		i.outcome, i.why = isDifferent, "another value"
	case there.TTL > 0:
		i.outcome, i.why = isDifferent, "a TTL here, none there"
	default:
		i.outcome, i.why = isDifferent, "a TTL there, none here"
	}
}

// write brings items of one depth to the registry. After the first error no more is begun, and what is under way is awaited.
func (j *importJob) write(ctx context.Context, items []*importItem) error {
	var group errgroup.Group
	group.SetLimit(importWriters)
	var stopped atomic.Bool
	for _, item := range items {
		if item.outcome != isMade && item.outcome != isReplaced {
			continue
		}
		group.Go(func() error {
			if stopped.Load() {
				item.reopen()
				return nil
			}
			err := j.writeOne(ctx, item)
			if err != nil {
				stopped.Store(true)
				item.reopen()
			}
			return err
		})
	}
	return group.Wait()
}

// writeOne writes an item, and notes what came of it. An error is one that the next item would have, too.
func (j *importJob) writeOne(ctx context.Context, item *importItem) error {
	for {
		err := j.put(ctx, item)
		refusal, isRefusal := errors.AsType[*client.Error](err)
		switch {
		case err == nil:
			return nil
		case !isRefusal || client.IsUnavailable(err) || client.IsOutcomeUnknown(err):
			return err
		case refusal.Status == http.StatusTooManyRequests:
			if err := wait(ctx, importPause); err != nil {
				return err
			}
		case refusal.Code == codeLimit, refusal.Code == client.CodeUnauthorized:
			return err
		default:
			item.outcome, item.why = isRefused, refusal.Error()
			return nil
		}
	}
}

// codeLimit is a node's answer when it is full.
const codeLimit client.Code = 120

// put does the write that an item was judged to need.
func (j *importJob) put(ctx context.Context, item *importItem) error {
	opts := client.SetOptions{Dir: item.dir, NoValueOnSuccess: true}
	if item.ttl > 0 {
		if opts.TTL = item.ttl - time.Since(j.read); opts.TTL <= 0 {
			item.outcome = isExpired
			return nil
		}
	}
	if item.outcome == isMade {
		opts.PrevExist = client.PrevAbsent
	}
	_, err := j.to.Set(ctx, item.key, item.value, opts)
	if !client.IsExists(err) {
		return err
	}
	// Somebody else has made it meanwhile: a host that heartbeats here already, or another import.
	resp, err := j.to.Get(ctx, item.key, client.GetOptions{})
	if err != nil {
		return fmt.Errorf("%s: %w", item.key, err)
	}
	item.judge(resp.Node, false)
	return nil
}

// wait returns after a while, or when ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
