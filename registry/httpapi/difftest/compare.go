package difftest

import (
	"fmt"
	"strings"
)

// Expect lists texts that a rendered answer must contain; those that begin with "!" it must not.
type Expect []string

// violated is the first text that does not hold for the answer, or "".
func (e Expect) violated(answer string) string {
	for _, text := range e {
		unwanted, negative := strings.CutPrefix(text, "!")
		if negative && strings.Contains(answer, unwanted) || !negative && !strings.Contains(answer, text) {
			return text
		}
	}
	return ""
}

// Deviation says what the servers answer at a step where Rollcall differs on purpose.
type Deviation struct {
	// ID names the entry of [Differences].
	ID         string
	Etcd, Ours Expect
	// DefaultOnly: with renewal events the answers must be equal.
	DefaultOnly bool
}

// identity is the difference in names, addresses and versions: two etcds have it too.
const identity = "identity"

// applies says whether the deviation is to be expected of the kind.
func (d *Deviation) applies(kind Kind) bool {
	return d != nil && (kind == Default || kind == Letter && !d.DefaultOnly || d.ID == identity)
}

// Mismatch is a step at which the right server did not answer as it should.
type Mismatch struct {
	Step int
	Text string
	// Left and Right are the rendered answers.
	Left, Right string
	// Reason is empty when the answers should have been equal.
	Reason string
}

// String shows both answers.
func (m Mismatch) String() string {
	reason := m.Reason
	if reason == "" {
		reason = "answers differ"
	}
	return fmt.Sprintf("step %d: %s\n%s\n--- want (etcd)\n%s--- got\n%s", m.Step, m.Text, reason, m.Left, m.Right)
}

// Compare compares what etcd (left) and a server of the given kind answered to the scenario. It also returns the ids of the
// deliberate differences that it met.
func Compare(sc Scenario, left, right Transcript, kind Kind) (mismatches []Mismatch, met []string) {
	c := newComparison(kind)
	c.steps(sc.Steps, left, right)
	c.end()
	return c.mismatches, c.met
}

// comparison is one comparison under way.
type comparison struct {
	kind       Kind
	etcd, ours *normaliser
	done       int // Steps compared.
	mismatches []Mismatch
	met        []string
}

func newComparison(kind Kind) *comparison {
	return &comparison{kind: kind, etcd: newNormaliser(), ours: newNormaliser()}
}

// steps compares the answers to the steps.
func (c *comparison) steps(steps []Step, left, right Transcript) {
	for i, step := range steps {
		deviates := step.deviation.applies(c.kind)
		c.etcd.learn, c.ours.learn = !deviates, !deviates
		c.done++
		reason, l, r := "", c.etcd.answer(left[i]), c.ours.answer(right[i])
		if deviates {
			c.met = append(c.met, step.deviation.ID)
			reason = step.deviation.judge(l, r, c.kind)
		}
		if reason != "" || !deviates && l != r {
			c.report(step.text, reason, l, r)
		}
	}
	c.etcd.learn, c.ours.learn = true, true
}

func (c *comparison) report(text, reason, left, right string) {
	c.mismatches = append(c.mismatches, Mismatch{Step: c.done, Text: text, Reason: reason, Left: left, Right: right})
}

// judge says what is wrong with a pair of answers that should differ.
func (d *Deviation) judge(left, right string, kind Kind) string {
	ours := d.Ours
	if kind == Etcd {
		ours = d.Etcd
	}

	if text := d.Etcd.violated(left); text != "" {
		return fmt.Sprintf("difference %q: etcd's answer does not hold to %q", d.ID, text)
	}
	if text := ours.violated(right); text != "" {
		return fmt.Sprintf("difference %q: our answer does not hold to %q", d.ID, text)
	}
	return ""
}

// largestIndex is the bound that lets clients keep an index in a double.
const largestIndex = 1<<53 - 1

// end compares what only whole transcripts show: the order of indexes, their size, and the TTLs of events.
func (c *comparison) end() {
	if left, right := c.etcd.labels.order(), c.ours.labels.order(); left != right {
		c.report("order of the indexes", "", left+"\n", right+"\n")
	}
	if most := c.ours.labels.largest(); c.kind != Etcd && most > largestIndex {
		c.report("largest index", "", "below 2^53\n", fmt.Sprintln(most))
	}
	for id, ttl := range c.ours.times.shown {
		if strings.Contains(ttl, "then") {
			c.report("ttl of event "+id, "", "the same in the answer and in the event\n", ttl+"\n")
		}
	}
}
