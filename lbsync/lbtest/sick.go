package lbtest

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"
)

// A Sickness is how a SickRegistry misbehaves.
type Sickness int

const (
	// Healthy passes everything on.
	Healthy Sickness = iota
	// Slow answers late, and tells of changes late.
	Slow
	// HalfOpen takes requests and never answers, and watches that run become silent. A request that has met it stays
	// without an answer for ever, as when the other end is gone.
	HalfOpen
	// SilentWatch is that for watches alone: they have headers and then nothing, whatever changes.
	SilentWatch
	// StallsInBody sends the first half of each body, and then nothing more.
	StallsInBody
	// InternalError answers 500 in the form of the keys API.
	InternalError
	// BadGateway answers 502 with a page, as a proxy does.
	BadGateway
	// NotReady answers 503 in the form of the keys API.
	NotReady
	// NotFoundPage answers 404 with a page, which says nothing of a key.
	NotFoundPage
	// CutOff breaks the connection in the middle of each body.
	CutOff
	// CutShort ends each body in its middle as if that were all of it.
	CutShort
	// IndexCleared refuses watches with status 400 and error 401, and answers the rest.
	IndexCleared
)

// SlowAnswer is how late the answers of a Slow registry are.
const SlowAnswer = 2 * time.Second

// refusals are the answers that have nothing to do with the question.
var refusals = map[Sickness]http.HandlerFunc{
	InternalError: refuse(500, "application/json", `{"errorCode":300,"message":"Raft Internal Error","cause":"","index":0}`),
	BadGateway:    refuse(502, "text/html", "<html><h1>502 Bad Gateway</h1></html>"),
	NotReady:      refuse(503, "application/json", `{"errorCode":301,"message":"During Leader Election","cause":"","index":0}`),
	NotFoundPage:  refuse(404, "text/html", "<html><h1>404 Not Found</h1></html>"),
	IndexCleared: refuse(400, "application/json",
		`{"errorCode":401,"message":"The event in requested index is outdated and cleared","cause":"the requested history has been cleared","index":7}`),
}

func refuse(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // The client may have left.
	}
}

// A SickRegistry is a web server in front of a registry's handler that misbehaves when told to.
type SickRegistry struct {
	// URL is where it is sick, Back where it answers properly at all times.
	URL, Back string

	mu       sync.Mutex // guards what follows
	handler  http.Handler
	sickness Sickness
	running  map[*sickAnswer]bool
	spoiled  int
}

// NewSickRegistry starts a healthy one. It ends with the test.
func NewSickRegistry(t *testing.T, handler http.Handler) *SickRegistry {
	t.Helper()
	s := &SickRegistry{handler: handler, running: map[*sickAnswer]bool{}}
	s.URL = serveTest(t, http.HandlerFunc(s.serve))
	s.Back = serveTest(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.behind().ServeHTTP(w, r) }))
	return s
}

func serveTest(t *testing.T, handler http.Handler) (url string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.CloseClientConnections() // Those that are silent would never end.
		server.Close()
	})
	return server.URL
}

// Set has it misbehave from now on.
func (s *SickRegistry) Set(sickness Sickness) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sickness, s.spoiled = sickness, 0
	for a := range s.running {
		switch {
		case sickness == HalfOpen, sickness == SilentWatch && a.watch:
			a.silent = true
		case refusals[sickness] != nil:
			a.cancel()
		}
	}
}

// Replace puts another registry behind it, as a restart does. What runs is cut off.
func (s *SickRegistry) Replace(handler http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handler = handler
	for a := range s.running {
		a.cancel()
	}
}

// Spoiled counts what the sickness has done to answers since it was set.
func (s *SickRegistry) Spoiled() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spoiled
}

func (s *SickRegistry) behind() http.Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handler
}

// spoils counts one more.
func (s *SickRegistry) spoils() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spoiled++
}

// begin registers a request and returns how it is to be treated.
func (s *SickRegistry) begin(a *sickAnswer) (http.Handler, Sickness) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running[a] = true
	a.silent = s.sickness == SilentWatch && a.watch
	return s.handler, s.sickness
}

func (s *SickRegistry) end(a *sickAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, a)
}

func (s *SickRegistry) serve(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	a := &sickAnswer{ResponseWriter: w, registry: s, gone: r.Context(), cancel: cancel, watch: r.URL.Query().Get("wait") == "true"}
	handler, sickness := s.begin(a)
	defer s.end(a)
	switch {
	case sickness == Slow:
		s.spoils()
		a.late()
	case sickness == HalfOpen:
		s.spoils()
		_, _ = io.Copy(io.Discard, r.Body) // net/http sees only then that the client leaves.
		<-a.gone.Done()
		return
	case refusals[sickness] != nil && (a.watch || sickness != IndexCleared):
		s.spoils()
		refusals[sickness](w, r)
		return
	}
	handler.ServeHTTP(a, r.WithContext(ctx))
	if a.broken || ctx.Err() != nil {
		panic(http.ErrAbortHandler) // This is how net/http breaks a connection.
	}
}

// A sickAnswer is what a handler answers, on its way through a SickRegistry.
type sickAnswer struct {
	http.ResponseWriter
	registry *SickRegistry
	gone     context.Context //nolint:containedctx // It is the client's presence, asked for while the answer is written.
	cancel   context.CancelFunc
	watch    bool

	silent bool // guarded by the registry's mu
	status int  // to be sent with the first bytes; 0: sent
	cut    bool // all that follows is lost
	broken bool // the connection does not end properly
}

// WriteHeader is http.ResponseWriter's.
func (a *sickAnswer) WriteHeader(status int) { a.status = status }

// Write is http.ResponseWriter's.
func (a *sickAnswer) Write(p []byte) (int, error) {
	half := p[:len(p)/2]
	switch sickness := a.sickness(); {
	case a.cut:
		return len(p), nil
	case sickness == SilentWatch:
		return a.stall()
	case sickness == StallsInBody:
		_, _ = a.send(half) // The client may have left.
		_ = http.NewResponseController(a.ResponseWriter).Flush()
		return a.stall()
	case sickness == CutOff:
		a.cut, a.broken = true, true
		if a.status != 0 {
			a.Header().Set("Content-Length", strconv.Itoa(len(p)))
		}
		a.registry.spoils()
		return a.rest(p, half)
	case sickness == CutShort:
		a.cut = true
		a.Header().Del("Content-Length")
		a.registry.spoils()
		return a.rest(p, half)
	case sickness == Slow && a.watch:
		a.late()
	}
	return a.send(p)
}

// sickness is that of the registry now, or the silence that the answer has met.
func (a *sickAnswer) sickness() Sickness {
	a.registry.mu.Lock()
	defer a.registry.mu.Unlock()
	switch {
	case a.silent:
		return SilentWatch
	case a.registry.sickness == SilentWatch: // The answer is no watch's.
		return Healthy
	}
	return a.registry.sickness
}

// send sends the headers, when they still are to be sent, and some bytes.
func (a *sickAnswer) send(p []byte) (int, error) {
	a.sendHeader()
	return a.ResponseWriter.Write(p)
}

func (a *sickAnswer) sendHeader() {
	if a.status != 0 {
		a.ResponseWriter.WriteHeader(a.status)
		a.status = 0
	}
}

// rest sends a part for the whole.
func (a *sickAnswer) rest(whole, part []byte) (int, error) {
	_, err := a.send(part)
	return len(whole), err
}

// stall waits until the client leaves.
func (a *sickAnswer) stall() (int, error) {
	a.registry.spoils()
	<-a.gone.Done()
	return 0, a.gone.Err()
}

// late waits for the time that a slow answer takes, or until the client leaves.
func (a *sickAnswer) late() {
	timer := time.NewTimer(SlowAnswer)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-a.gone.Done():
	}
}

// FlushError is what http.ResponseController looks for.
func (a *sickAnswer) FlushError() error {
	a.sendHeader()
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// Unwrap is for http.ResponseController as well.
func (a *sickAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
