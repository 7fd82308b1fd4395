package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"rollcall/registry/client"
)

// lameDuck is how long a frontend that leaves goes on serving: the balancers have let go of it by then.
const lameDuck = time.Second

// frontend is a web server that registers itself, as a real one would with registry/client.
type frontend struct {
	name       string
	listener   net.Listener
	client     *client.Client
	wire       *wire
	log        *slog.Logger
	registered chan struct{}
	crash      chan struct{} // POST /crash: gone without a word.
	leave      chan struct{} // POST /leave: gone in good order.
}

// wire is the way to the registry. Cut, it lets nothing through, like that of a dead host.
type wire struct {
	next http.RoundTripper
	cut  atomic.Bool
}

var errCut = errors.New("the frontend has crashed")

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	if w.cut.Load() {
		return nil, errCut
	}
	return w.next.RoundTrip(req)
}

func newFrontend(ctx context.Context, name, registry string, log *slog.Logger) (*frontend, error) {
	f := &frontend{
		name: name, wire: &wire{next: &http.Transport{}}, log: log, registered: make(chan struct{}),
		crash: make(chan struct{}, 1), leave: make(chan struct{}, 1),
	}
	var err error
	if f.client, err = client.New([]string{registry}, client.Options{Transport: f.wire}); err != nil {
		return nil, err
	}
	f.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	return f, err
}

// Name is the last part of its key.
func (f *frontend) Name() string { return f.name }

// URL is where the frontend answers by itself.
func (f *frontend) URL() string { return "http://" + f.listener.Addr().String() }

// run serves and heartbeats until ctx ends. A frontend that has crashed or left waits for that in silence.
func (f *frontend) run(ctx context.Context) error {
	server := &http.Server{Handler: f.handler(), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(f.listener) }()

	registration, endRegistration := context.WithCancel(ctx)
	defer endRegistration()
	registered := make(chan error, 1)
	go func() { registered <- f.register(registration) }()

	var err error
	select {
	case <-ctx.Done():
		err = errors.Join(<-registered, shutDown(ctx, server))
	case <-f.leave:
		endRegistration()
		err = <-registered
		await(ctx, lameDuck)
		err = errors.Join(err, shutDown(ctx, server))
	case <-f.crash:
		f.wire.cut.Store(true)
		endRegistration()
		err = shutDown(ctx, server)
		f.log.DebugContext(ctx, "crashed", "deregistered", <-registered == nil)
	case err := <-served:
		endRegistration()
		return errors.Join(err, <-registered)
	}
	<-ctx.Done()
	return err
}

// await lets some time pass, or less when ctx ends.
func await(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (f *frontend) register(ctx context.Context) error {
	return f.client.Register(ctx, demoPrefix+"/"+f.name, f.listener.Addr().String(), client.RegisterOptions{
		TTL: demoTTL, DeregisterTimeout: time.Second, Logger: f.log,
		OnRegistered: func() { close(f.registered) },
	})
}

// shutDown lets the answers under way go out, also after the end of ctx.
func shutDown(ctx context.Context, server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return server.Close()
}

func (f *frontend) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "Hello from %s at %s\n", f.name, f.listener.Addr())
	})
	mux.HandleFunc("POST /crash", f.end(f.crash, "%s has crashed: its entry expires within %v.\n"))
	mux.HandleFunc("POST /leave", f.end(f.leave, "%s leaves: its entry goes at once, not after %v.\n"))
	return mux
}

// end answers, and has run see the signal.
func (f *frontend) end(signal chan<- struct{}, format string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		_, _ = io.WriteString(w, fmt.Sprintf(format, f.name, demoTTL))
		select {
		case signal <- struct{}{}:
		default: // It is ending already.
		}
	}
}
