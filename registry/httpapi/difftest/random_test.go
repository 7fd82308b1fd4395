package difftest

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"rollcall/registry"
)

var (
	seedFlag      = flag.Uint64("difftest.seed", 0, "replay the random sequence of this seed; 0 takes seeds from the clock")
	sequencesFlag = flag.Int("difftest.sequences", 150, "how many random sequences to run")
)

// sequenceLength is the number of random steps of a sequence.
const sequenceLength = 60

// TestRandom runs random sequences on etcd and on both kinds of Rollcall, with streams beside, and reads the history at the end.
func TestRandom(t *testing.T) {
	t.Parallel()
	seed, count := *seedFlag, 1
	if seed == 0 {
		seed, count = uint64(time.Now().UnixNano()), *sequencesFlag
	}
	etcd := StartEtcd(t)
	for i := range uint64(count) {
		steps := sequence(seed + i)
		problem := runSequence(t, etcd, steps)
		if problem == nil {
			continue
		}
		t.Logf("the sequence of -difftest.seed=%d fails; made shorter:", seed+i)
		steps, problem = shrink(t, etcd, steps, problem)
		for j, step := range steps {
			t.Logf("%3d %s: %s", j+1, step.label, step.text)
		}
		t.Fatal(problem)
	}
}

// sequence makes the random steps of a seed.
func sequence(seed uint64) []Step {
	g := newGenerator(seed)
	steps := make([]Step, sequenceLength)
	for i := range steps {
		steps[i] = g.step()
	}
	return steps
}

// shrinkRuns bounds how often a failing sequence is run again.
const shrinkRuns = 200

// shrink drops steps as long as the sequence fails without them.
func shrink(t *testing.T, etcd *Target, steps []Step, problem error) ([]Step, error) {
	t.Helper()
	for i, runs := len(steps)-1, 0; i >= 0 && runs < shrinkRuns; i, runs = i-1, runs+1 {
		fewer := slices.Delete(slices.Clone(steps), i, i+1)
		if still := runSequence(t, etcd, fewer); still != nil {
			steps, problem = fewer, still
		}
	}
	return steps, problem
}

// streams are the watches that run beside a sequence, by the key that they watch, and the last their event.
func streams() map[string]string {
	return map[string]string{"/": "&recursive=true", "/a": "&recursive=true", "/a/b": ""}
}

// lastKey is written at the end of each sequence: every stream sees it.
const lastKey = "/a/b"

// play is what a sequence gave on one target.
type play struct {
	answers Transcript
	streams map[string][]Answer
	history []Answer
}

// playSequence runs the steps with the streams open, and then reads the history from the first step on.
func playSequence(ctx context.Context, target *Target, steps []Step) (*play, error) {
	s := newSession(target)
	defer s.close()
	s.begin(ctx)
	for key, mode := range streams() {
		s.open(ctx, key, parseTarget(http.MethodGet, key+"?wait=true&stream=true"+mode, ""))
	}
	start := parseTarget(http.MethodGet, "/", "").do(ctx, target).headerIndex()
	p := &play{streams: map[string][]Answer{}}
	for _, step := range append(slices.Clone(steps), Delete("/a?recursive=true"), Put(lastKey, "value=end")) {
		answer := step.run(ctx, s)
		if step.label != "" {
			s.labels[step.label] = answer
		}
		p.answers = append(p.answers, answer)
	}
	for key := range streams() {
		events, err := drain(s, key)
		if err != nil {
			return nil, err
		}
		p.streams[key] = events
	}
	var err error
	p.history, err = walkHistory(ctx, target, start+1)
	return p, err
}

// drain reads a stream up to the sequence's last event.
func drain(s *session, key string) ([]Answer, error) {
	var events []Answer
	for {
		event := s.next(key, eventTimeout)
		if event.Note != "" {
			return nil, fmt.Errorf("%v: stream of %s after %d events: %s", s.target.Kind, key, len(events), event.Note)
		}
		events = append(events, event)
		if isLast(event) {
			return events, nil
		}
	}
}

func isLast(event Answer) bool {
	d := event.document()
	return d.Node != nil && d.Node.Key == lastKey && d.Node.Value == "end"
}

// walkHistory reads all events from an index on, one long poll after the other.
func walkHistory(ctx context.Context, target *Target, from uint64) ([]Answer, error) {
	var events []Answer
	for {
		event := parseTarget(http.MethodGet, "/?wait=true&recursive=true&waitIndex="+strconv.FormatUint(from, 10), "").do(ctx, target)
		if event.Status != http.StatusOK || event.Note != "" {
			return nil, fmt.Errorf("%v: history from %d: %d %s %s", target.Kind, from, event.Status, event.Body, event.Note)
		}
		event.Status, event.Header = 0, nil // What follows sees an event, not an answer.
		events = append(events, event)
		if isLast(event) {
			return events, nil
		}
		from = event.modified() + 1
	}
}

// runSequence plays the steps on etcd and on both kinds of Rollcall and returns what differs, or nil.
func runSequence(t *testing.T, etcd *Target, steps []Step) error {
	t.Helper()
	return runSequenceOn(t, etcd, steps, StartOurs(t, Letter), StartOurs(t, Default))
}

func runSequenceOn(t *testing.T, etcd *Target, steps []Step, targets ...*Target) error {
	t.Helper()
	all := slices.Concat(steps, []Step{Delete("/a?recursive=true"), Put(lastKey, "value=end")})
	defer wipe(t, etcd, Scenario{Steps: append(slices.Clone(steps), Put("/_h", ""))})
	want, err := playSequence(t.Context(), etcd, steps)
	if err != nil {
		return err
	}
	for _, target := range targets {
		got, err := playSequence(t.Context(), target, steps)
		if err != nil {
			return err
		}
		c := newComparison(target.Kind)
		c.steps(all, want.answers, got.answers)
		for _, key := range slices.Sorted(maps.Keys(streams())) {
			c.events("stream of "+key, key, want.streams[key], got.streams[key])
		}
		c.events("history", "/", want.history, got.history)
		c.end()
		if len(c.mismatches) > 0 {
			return fmt.Errorf("%v: %v", target.Kind, c.mismatches[0])
		}
	}
	return nil
}

// events compares two lists of events on a watched key, without the deliberate differences.
func (c *comparison) events(what, watched string, left, right []Answer) {
	want := c.expected(watched, left)
	var got []string
	for _, event := range right {
		text := c.ours.answer(event)
		if d := event.document(); isAbove(d.Node.Key, watched) && !slices.Contains(want, text) {
			seen.note("removal-wakes-below")
			continue
		}
		got = append(got, text)
	}
	for i := range max(len(want), len(got)) {
		l, r := nth(want, i), nth(got, i)
		if l != r {
			c.report(fmt.Sprintf("%s, event %d", what, i+1), "", l, r)
			return
		}
	}
}

func nth(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return "nothing\n"
}

// expected renders what Rollcall must make of etcd's events: without the second copies of removals, without hidden keys,
// and, by default, without renewals.
func (c *comparison) expected(watched string, events []Answer) []string {
	var texts []string
	for i, event := range events {
		text, d := c.etcd.answer(event), event.document()
		switch {
		case i > 0 && string(event.Body) == string(events[i-1].Body):
			seen.note("removal-once")
		case isHiddenBelow(d.Node.Key, watched):
			seen.note("history-hidden")
		case c.kind == Default && c.etcd.isRenewal(d):
			seen.note("renewals-silent")
		default:
			texts = append(texts, text)
		}
	}
	return texts
}

// isRenewal says whether an event changed nothing but the end of a lease.
func (n *normaliser) isRenewal(d document) bool {
	if d.PrevNode == nil || d.PrevNode.Expiration == "" || d.Action == "delete" || d.Action == "compareAndDelete" || d.Action == "expire" {
		return false
	}
	return d.Node.Value == d.PrevNode.Value && d.Node.Dir == d.PrevNode.Dir &&
		n.times.expiration(d.Node.Expiration) == n.times.expiration(d.PrevNode.Expiration)
}

// isAbove says whether key is a directory above watched.
func isAbove(key, watched string) bool { return strings.HasPrefix(watched, key+"/") }

// isHiddenBelow says whether a segment of key below watched begins with an underscore.
func isHiddenBelow(key, watched string) bool {
	below, under := strings.CutPrefix(key, strings.TrimSuffix(watched, "/"))
	return under && strings.Contains(below, "/_")
}

// TestHarnessSeesRandomly checks that random sequences find what they are for: a node whose renewals are no events must fail
// as one that follows etcd to the letter.
func TestHarnessSeesRandomly(t *testing.T) {
	t.Parallel()
	etcd := StartEtcd(t)
	for seed := range uint64(50) {
		if err := runSequenceOn(t, etcd, sequence(seed), StartStore(t, Letter, registry.New(registry.Options{}))); err != nil {
			return
		}
	}
	t.Error("50 sequences did not tell a node without renewal events from etcd")
}
