package registry

import (
	"fmt"
	"strings"
	"time"
)

// Presence is a condition on whether a key exists (v2's prevExist).
type Presence uint8

// The conditions.
const (
	AnyPresence Presence = iota
	MustExist
	MustNotExist
)

// EndAtOnce is the TTL of an entry that ends as soon as it is written (v2's ttl=0).
const EndAtOnce time.Duration = -1

// PutOptions describe a write. The zero value writes an empty file without a lease.
type PutOptions struct {
	Value string
	// TTL is the lease, 0 for none. See [EndAtOnce].
	TTL time.Duration
	// Dir makes a directory; Value is then ignored.
	Dir bool
	// Refresh keeps the value and wakes no watch.
	Refresh bool
	// Exist, PrevValue and PrevIndex are conditions. An empty PrevValue and a zero
	// PrevIndex are none. MustNotExist overrides the other two, as in etcd.
	Exist     Presence
	PrevValue string
	PrevIndex uint64
}

func (o PutOptions) compares() bool { return o.PrevValue != "" || o.PrevIndex != 0 }

// kept returns the value that the write leaves behind.
func (o PutOptions) kept() string {
	if o.Dir {
		return ""
	}
	return o.Value
}

// action names the operation that the conditions ask for.
func (o PutOptions) action() Action {
	switch {
	case o.Exist == MustNotExist:
		return Create
	case o.compares():
		return CompareAndSwap
	case o.Exist == MustExist:
		return Update
	default:
		return Set
	}
}

// Put writes a key, makes the directories above it, and returns the event, also for
// a renewal, which is none to anybody else. An error is an [*Error].
func (s *Store) Put(key Key, o PutOptions) (*Event, error) {
	action := o.action()
	return s.write(action, func(now time.Time) (*Event, *Error) {
		if key == Root {
			return nil, &Error{Code: CodeRootReadOnly, Cause: string(Root)}
		}
		switch action {
		case Create:
			return s.createLocked(now, key, o)
		case Set:
			return s.setLocked(now, key, o)
		default:
			return s.updateLocked(now, key, action, o)
		}
	})
}

// CreateInOrder makes an entry in directory dir, and dir as well if need be, under a
// name that sorts after all such names before: its index in 20 digits.
func (s *Store) CreateInOrder(dir Key, o PutOptions) (*Event, error) {
	return s.write(Create, func(now time.Time) (*Event, *Error) {
		if dir.depth() >= MaxSegments {
			return nil, &Error{Code: CodeInvalidField, Cause: ErrKeyTooDeep.Error()}
		}
		return s.createLocked(now, dir.Child(fmt.Sprintf("%020d", s.index.next(now))), o)
	})
}

// DeleteOptions describe a removal.
type DeleteOptions struct {
	// Dir allows the removal of an empty directory, Recursive of any.
	Dir, Recursive bool
	// PrevValue and PrevIndex are conditions, as in [PutOptions].
	PrevValue string
	PrevIndex uint64
}

// Delete removes a key. An error is an [*Error].
func (s *Store) Delete(key Key, o DeleteOptions) (*Event, error) {
	if o.PrevValue != "" || o.PrevIndex != 0 {
		return s.write(CompareAndDelete, func(now time.Time) (*Event, *Error) {
			return s.compareAndDeleteLocked(now, key, o)
		})
	}
	return s.write(Delete, func(now time.Time) (*Event, *Error) {
		return s.deleteLocked(now, key, o)
	})
}

// write runs one operation and waits for the disk, if it has to.
func (s *Store) write(action Action, op func(now time.Time) (*Event, *Error)) (*Event, error) {
	e, c, refused := s.writeNow(action, op)
	if refused != nil {
		return nil, refused
	}
	if err := c.await(); err != nil && c.careful {
		return nil, &Error{
			Code: CodeNotKept, Index: e.Index(),
			Cause: err.Error() + "; the write was done, and is lost if the node ends before it is on disk",
		}
	}
	return e, nil
}

// writeNow runs one operation under the mutex, counts it, and puts the node's index into its
// error. The commit is what it has to wait for.
func (s *Store) writeNow(action Action, op func(now time.Time) (*Event, *Error)) (*Event, pledge, *Error) {
	now := s.lockWhenNothingIsDue()
	defer s.mu.Unlock()
	s.care = careless
	e, err := op(now)
	s.stats.count(action, err == nil)
	if err != nil {
		err.Index = s.index.last
		return nil, pledge{}, err
	}
	s.planLocked()
	return e, s.pledgeLocked(), nil
}

// lockWhenNothingIsDue takes the mutex at a time when all leases that have run out
// have ended. Between batches of them others get their turn.
func (s *Store) lockWhenNothingIsDue() (now time.Time) {
	for {
		s.mu.Lock()
		now = time.Now()
		if !s.leases.isDue(now) {
			return now
		}
		s.mu.Unlock()
		s.expireBatch(now)
	}
}

func (s *Store) setLocked(now time.Time, key Key, o PutOptions) (*Event, *Error) {
	at, err := s.tree.find(key)
	switch {
	case err != nil && (err.Code != CodeKeyNotFound || o.Refresh):
		return nil, err
	case err == nil && at.node.IsDir():
		return nil, &Error{Code: CodeNotFile, Cause: string(key)}
	case err == nil && o.Refresh:
		o.Value = at.node.Value
	}
	if err != nil {
		at.node = nil
	}
	if err := s.admitLocked(key, at, o.kept()); err != nil {
		return nil, err
	}
	if err := s.careLocked(carePut(at.node, o)); err != nil {
		return nil, err
	}
	if err != nil {
		if at, err = s.tree.reach(key, s.index.next(now), s.stampDir(now)); err != nil {
			return nil, err
		}
	}
	index := s.index.take(now)
	return s.replaceLocked(now, at, Set, o, index, index), nil
}

func (s *Store) createLocked(now time.Time, key Key, o PutOptions) (*Event, *Error) {
	at, err := s.tree.find(key)
	if err == nil {
		return nil, &Error{Code: CodeNodeExist, Cause: string(at.key)}
	}
	if err.Code != CodeKeyNotFound {
		return nil, err
	}
	at.node = nil
	if err := s.admitLocked(key, at, o.kept()); err != nil {
		return nil, err
	}
	if err := s.careLocked(carePut(nil, o)); err != nil {
		return nil, err
	}
	at, err = s.tree.reach(key, s.index.next(now), s.stampDir(now))
	if err != nil {
		return nil, err
	}
	o.Refresh = false // there is nothing to keep
	index := s.index.take(now)
	return s.replaceLocked(now, at, Create, o, index, index), nil
}

// updateLocked is update and compareAndSwap: the entry must exist, keeps its
// createdIndex, and stays the file or directory that it is.
func (s *Store) updateLocked(now time.Time, key Key, action Action, o PutOptions) (*Event, *Error) {
	at, err := s.tree.find(key)
	if err != nil {
		return nil, err
	}
	if at.node.IsDir() {
		if action == CompareAndSwap || o.Value != "" {
			return nil, &Error{Code: CodeNotFile, Cause: string(key)}
		}
		if err := s.careLocked(careDir(at.node, o)); err != nil {
			return nil, err
		}
		return s.updateDirLocked(now, at, o), nil
	}
	if err := compare(at.node, o.PrevValue, o.PrevIndex); err != nil {
		return nil, err
	}
	if o.Refresh {
		o.Value = at.node.Value
	}
	if err := s.admitLocked(key, at, o.Value); err != nil {
		return nil, err
	}
	if err := s.careLocked(carePut(at.node, o)); err != nil {
		return nil, err
	}
	o.Dir = false
	return s.replaceLocked(now, at, action, o, at.node.CreatedIndex, s.index.take(now)), nil
}

// updateDirLocked gives a directory another lease. As in etcd the answer shows a new
// modifiedIndex, which the directory itself does not keep.
func (s *Store) updateDirLocked(now time.Time, at place, o PutOptions) *Event {
	o.Dir = true
	node := *at.node
	silent := o.Refresh || s.isRenewal(at.node, o)
	s.recordPutLocked(now, &node, at.node, Update, o)
	s.leaseLocked(now, &node, at.node, o.TTL)
	s.tree.put(at, &node)
	shown := *node.withoutEntries()
	shown.ModifiedIndex = s.index.take(now)
	e := &Event{Action: Update, Node: &shown, Prev: at.node.withoutEntries(), at: now.UnixNano()}
	s.publishWriteLocked(e, silent)
	return e
}

// replaceLocked writes a new version to a place and publishes the event, unless the
// write renews a lease.
func (s *Store) replaceLocked(now time.Time, at place, action Action, o PutOptions, created, modified uint64) *Event {
	node := &Node{CreatedIndex: created, ModifiedIndex: modified}
	e := &Event{Action: action, Node: node, at: now.UnixNano()}
	silent := o.Refresh
	if prev := at.node; prev != nil {
		e.Prev = prev // always a file: a directory is not replaced
		silent = silent || s.isRenewal(prev, o)
		node.Key = prev.Key
	} else {
		node.Key = Key(strings.Clone(string(at.key)))
	}
	switch {
	case o.Dir:
		node.dir = &dir{parent: at.dir}
	case at.node != nil && at.node.Value == o.Value:
		node.Value = at.node.Value
	default:
		node.Value = strings.Clone(o.Value)
	}
	s.recordPutLocked(now, node, at.node, action, o)
	s.leaseLocked(now, node, at.node, o.TTL)
	s.tree.put(at, node)
	if o.Dir {
		e.Node = node.withoutEntries()
	}
	s.publishWriteLocked(e, silent)
	return e
}

// isRenewal tells whether a write repeats what is there, and so is no event.
func (s *Store) isRenewal(prev *Node, o PutOptions) bool {
	return !s.renewalEvents && prev.isRepeatedBy(o)
}

// isRepeatedBy tells whether a write repeats a leased entry: no news for anybody.
func (n *Node) isRepeatedBy(o PutOptions) bool {
	return n.HasLease() && n.TTL() == o.TTL && n.Value == o.Value && n.IsDir() == o.Dir
}

// recordPutLocked gives a new version of an entry its record: that of the version before
// if the write only repeats it, else one of its own.
func (s *Store) recordPutLocked(now time.Time, node, prev *Node, action Action, o PutOptions) {
	if prev != nil && prev.rec != nil && prev.isRepeatedBy(o) {
		node.rec = s.renewLocked(now, prev)
		return
	}
	k, f := kindFile, flags(0)
	if o.Dir {
		k = kindDir
	}
	if o.TTL != 0 {
		f |= leased
	}
	if o.Refresh {
		f |= quiet
	}
	node.rec = s.recordLocked(now, node.Key, k, action, f)
	switch {
	case prev == nil:
		s.supersedeLocked(now, node.rec)
	case k == kindDir && !prev.IsDir():
		s.foldLocked(now, prev.rec)
	default:
		prev.rec.retire()
	}
}

// stampDir returns what gives the directories that a write makes their records.
func (s *Store) stampDir(now time.Time) func(Key) *record {
	return func(key Key) *record {
		r := s.recordLocked(now, key, kindDir, Create, quiet)
		s.supersedeLocked(now, r)
		return r
	}
}

// recordLocked makes a record of this node's own and puts it into circulation.
func (s *Store) recordLocked(now time.Time, key Key, k kind, action Action, f flags) *record {
	stamp := s.clock.next(now, s.floorLocked(now, key, k))
	return s.circulateLocked(&record{key: key, time: stamp, node: s.self.id, kind: k, action: action, flags: f})
}

// circulateLocked gives a record the next number of this node.
func (s *Store) circulateLocked(r *record) *record {
	s.self.have++
	r.author, r.seq = s.self, s.self.have
	r.enlist()
	s.tellNews()
	return r
}

// leaseLocked gives a new version its lease from now on.
func (s *Store) leaseLocked(now time.Time, node, prev *Node, ttl time.Duration) {
	s.leaseUntilLocked(node, prev, ttl, now.Add(max(ttl, 0)))
}

// leaseUntilLocked gives a new version its lease, in the queue place of the version
// before. The lease of an entry that another node keeps has no place in the queue.
func (s *Store) leaseUntilLocked(node, prev *Node, ttl time.Duration, deadline time.Time) {
	held := prev.lease()
	if ttl == 0 || s.isElsewhere(node.rec) {
		s.leases.release(held)
		node.grant = nil
		if ttl != 0 {
			node.grant = &grant{ttl: max(ttl, 0)}
		}
		return
	}
	ttl = max(ttl, 0)
	if held == nil {
		held = s.leases.add(node.Key, deadline)
	} else {
		s.leases.move(held, deadline)
	}
	s.leases.disown(held, node.rec.author != s.self)
	node.grant = &grant{ttl, deadline, held}
}

func (s *Store) deleteLocked(now time.Time, key Key, o DeleteOptions) (*Event, *Error) {
	if key == Root {
		return nil, &Error{Code: CodeRootReadOnly, Cause: string(Root)}
	}
	at, err := s.tree.find(key)
	if err != nil {
		return nil, err
	}
	if at.node.IsDir() && !o.Recursive {
		if !o.Dir {
			return nil, &Error{Code: CodeNotFile, Cause: string(key)}
		}
		if at.node.dir.entries.Len() > 0 {
			return nil, &Error{Code: CodeDirNotEmpty, Cause: string(key)}
		}
	}
	if err := s.careLocked(careRemoval(at.node)); err != nil {
		return nil, err
	}
	return s.removeLocked(now, at, Delete), nil
}

func (s *Store) compareAndDeleteLocked(now time.Time, key Key, o DeleteOptions) (*Event, *Error) {
	at, err := s.tree.find(key)
	if err != nil {
		return nil, err
	}
	if at.node.IsDir() {
		cause := string(key)
		if key == Root {
			cause = "" // as etcd answers
		}
		return nil, &Error{Code: CodeNotFile, Cause: cause}
	}
	if err := compare(at.node, o.PrevValue, o.PrevIndex); err != nil {
		return nil, err
	}
	if err := s.careLocked(careRemoval(at.node)); err != nil {
		return nil, err
	}
	return s.removeLocked(now, at, CompareAndDelete), nil
}

// removeLocked takes an entry away, with all that is below it, and publishes it.
func (s *Store) removeLocked(now time.Time, at place, action Action) *Event {
	r := s.removalLocked(now, at.node, action)
	e := s.takeAwayLocked(now, at, action, r)
	s.razeGravesLocked(at.node.Key, r.version())
	s.buryLocked(now, r, 0)
	return e
}

// removalLocked returns the record of a removal. An expiry has the version that it ends,
// or for a directory the newest that it is known to end, so that it never beats a write
// that this node has not seen. The expiry of an entry whose owner is gone is found by
// every node alike and stays where it is in the owner's circulation.
func (s *Store) removalLocked(now time.Time, n *Node, action Action) *record {
	k := kindDelete
	switch {
	case n.IsDir() && action == Expire:
		k = kindCutExpire
	case n.IsDir():
		k = kindCut
	case action == Expire:
		k = kindExpire
	}
	if action != Expire {
		return s.recordLocked(now, n.Key, k, action, 0)
	}
	ended := n.rec.version()
	if n.IsDir() {
		if newest := s.newestBelowLocked(n.Key); ended.isBelow(newest) {
			ended = newest
		}
	}
	if n.rec.author == s.self {
		return s.circulateLocked(&record{key: n.Key, time: ended.time, node: ended.node, kind: k, action: Expire})
	}
	r := n.rec
	r.become(k)
	r.time, r.node, r.action = ended.time, ended.node, Expire
	r.flags |= derived
	r.author.derived++
	r.author.incomplete = true
	return r
}

// publishWriteLocked is publishLocked for a write of a client; a silent one is a renewal.
func (s *Store) publishWriteLocked(e *Event, silent bool) {
	if silent {
		s.stats.renewals.Add(1)
	}
	s.publishLocked(e, silent)
}

// publishLocked makes an event known, unless it is silent.
func (s *Store) publishLocked(e *Event, silent bool) {
	if silent {
		return
	}
	s.history.add(e)
	s.hub.notify(e)
}

// compare tests the conditions of compareAndSwap and compareAndDelete. The cause
// names what failed as [given != current].
func compare(n *Node, prevValue string, prevIndex uint64) *Error {
	var failed []string
	if prevValue != "" && prevValue != n.Value {
		failed = append(failed, fmt.Sprintf("[%v != %v]", prevValue, n.Value))
	}
	if prevIndex != 0 && prevIndex != n.ModifiedIndex {
		failed = append(failed, fmt.Sprintf("[%v != %v]", prevIndex, n.ModifiedIndex))
	}
	if failed == nil {
		return nil
	}
	return &Error{Code: CodeTestFailed, Cause: strings.Join(failed, " ")}
}
