package difftest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"time"
)

// eventTimeout is how long a document of a watch may take. quietTime is how long silence is listened to.
const (
	eventTimeout = 20 * time.Second
	quietTime    = time.Second
)

// watch is an open response body, read line by line by one goroutine.
type watch struct {
	answer Answer // Its status and headers.
	lines  chan Answer
	cancel context.CancelFunc
	done   chan struct{}
}

// open sends the request and returns when its headers are there, with a body only if no watch follows.
func (s *session) open(ctx context.Context, name string, r Request) Answer {
	answer := Answer{Sent: r, Start: time.Now()}
	ctx, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(requestTimeout, cancel) // Headers must come at once; the body may take for ever.
	req, err := r.build(ctx, s.target.URL)
	if err != nil {
		cancel()
		return answer.failed(err)
	}
	res, err := s.target.client.RoundTrip(req) //nolint:bodyclose // The reader closes it.
	timer.Stop()
	if err != nil {
		cancel()
		return answer.failed(err)
	}
	answer.Status, answer.Header, answer.End = res.StatusCode, res.Header, time.Now()
	w := &watch{answer: answer, cancel: cancel, lines: make(chan Answer, 4096), done: make(chan struct{})}
	s.hang(name)
	s.watches[name] = w
	go w.read(res.Body)
	return answer
}

// read hands on line after line until the body ends.
func (w *watch) read(body io.ReadCloser) {
	defer close(w.done)
	defer close(w.lines)
	defer body.Close()
	reader := bufio.NewReader(body)
	for {
		line, err := reader.ReadBytes('\n')
		if len(line) > 0 {
			now := time.Now()
			w.lines <- Answer{Sent: w.answer.Sent, Body: line, Start: now, End: now}
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			w.lines <- Answer{Sent: w.answer.Sent, Note: "broken off: " + err.Error()}
			return
		}
	}
}

// next waits for the watch's next line, its end, or the timeout.
func (s *session) next(name string, timeout time.Duration) Answer {
	w, known := s.watches[name]
	if !known {
		return Answer{Note: "no watch " + name}
	}
	select {
	case line, more := <-w.lines:
		if !more {
			return Answer{Sent: w.answer.Sent, Note: "end"}
		}
		return line
	case <-time.After(timeout):
		return Answer{Sent: w.answer.Sent, Note: "silence"}
	}
}

// hang closes a watch and waits until its reader is gone.
func (s *session) hang(name string) {
	w, known := s.watches[name]
	if !known {
		return
	}
	delete(s.watches, name)
	w.cancel()
	for range w.lines { // Drained, so that the reader can end.
	}
	<-w.done
}
