package difftest

import (
	"context"
	"fmt"
	"time"
)

// Scenario is a named list of steps that every target plays by itself.
type Scenario struct {
	Name string
	// Facts are the numbers of the observed facts about etcd that the scenario shows.
	Facts []int
	Steps []Step
	// Patience is how long the next line of a watch may take; 0 means 20 seconds.
	Patience time.Duration
}

// Run plays the scenario against the target and returns one answer a step. It leaves no watch open.
func (sc Scenario) Run(ctx context.Context, target *Target) Transcript {
	s := newSession(target)
	defer s.close()
	if sc.Patience > 0 {
		s.patience = sc.Patience
	}
	s.begin(ctx)
	transcript := make(Transcript, 0, len(sc.Steps))
	for _, step := range sc.Steps {
		answer := step.run(ctx, s)
		if step.label != "" {
			s.labels[step.label] = answer
		}
		transcript = append(transcript, answer)
	}
	return transcript
}

// pollInterval is the pause between two tries of a step with a condition, pollTimeout its deadline: a TTL of a
// few seconds and etcd's half second of lateness, on a busy machine.
const (
	pollInterval = 20 * time.Millisecond
	pollTimeout  = 30 * time.Second
)

// Step is one thing that a client does. Requests may refer to earlier answers, so that each server is given its own numbers:
//
//	{a}       the modifiedIndex of the answer labelled a (its X-Etcd-Index where it has no node)
//	{a+2}     two more; {a+2|5000} adds 2 for etcd and 5000 for Rollcall, whose indexes are sparse
//	{a.created} {a.header} {a.key}  its createdIndex, its X-Etcd-Index, its key
type Step struct {
	text      string
	label     string
	deviation *Deviation
	run       func(context.Context, *session) Answer
}

// String describes the step in reports.
func (s Step) String() string { return s.text }

// As labels the step's answer for references.
func (s Step) As(label string) Step {
	s.label = label
	return s
}

// Until repeats a request until its answer satisfies the condition. The last answer counts.
func (s Step) Until(what string, condition func(Answer) bool) Step {
	once := s.run
	s.text += " until " + what
	s.run = func(ctx context.Context, session *session) Answer {
		for deadline := time.Now().Add(pollTimeout); ; {
			answer := once(ctx, session)
			if condition(answer) {
				return answer
			}
			if time.Now().After(deadline) || ctx.Err() != nil {
				answer.Note = "never: " + what
				return answer
			}
			time.Sleep(pollInterval)
		}
	}
	return s
}

// Differs says that the two servers answer this step differently on purpose; id names an entry of [Differences].
func (s Step) Differs(id string, etcd, ours Expect) Step {
	s.deviation = &Deviation{ID: id, Etcd: etcd, Ours: ours}
	return s
}

// DiffersByDefault is Differs for the default mode only: with renewal events the answers must be equal.
func (s Step) DiffersByDefault(id string, etcd, ours Expect) Step {
	s.deviation = &Deviation{ID: id, Etcd: etcd, Ours: ours, DefaultOnly: true}
	return s
}

// Call is a step that sends a request and reads its whole answer.
func Call(request Request) Step {
	return Step{text: request.String(), run: func(ctx context.Context, s *session) Answer {
		expanded, err := s.expand(request)
		if err != nil {
			return Answer{Sent: request}.failed(err)
		}
		return expanded.do(ctx, s.target)
	}}
}

// Open is a step that sends a watch request and waits for its headers. Later steps read from it by name.
func Open(name string, request Request) Step {
	text := fmt.Sprintf("open %s: %s", name, request)
	return Step{text: text, run: func(ctx context.Context, s *session) Answer {
		expanded, err := s.expand(request)
		if err != nil {
			return Answer{Sent: request}.failed(err)
		}
		return s.open(ctx, name, expanded)
	}}
}

// Next is a step that waits for a watch's next line.
func Next(name string) Step {
	return Step{text: "next of " + name, run: func(_ context.Context, s *session) Answer {
		return s.next(name, s.patience)
	}}
}

// Quiet is a step that expects a watch to say nothing for a while. It proves little by itself: prefer an event that must come.
func Quiet(name string) Step {
	return Step{text: "quiet " + name, run: func(_ context.Context, s *session) Answer {
		return s.next(name, quietTime)
	}}
}

// Hang is a step that closes a watch from the client's side.
func Hang(name string) Step {
	return Step{text: "close " + name, run: func(_ context.Context, s *session) Answer {
		s.hang(name)
		return Answer{Note: "closed"}
	}}
}
