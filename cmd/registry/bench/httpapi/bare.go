package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"

	"github.com/go-chi/chi/v5"

	"rollcall/registry/httpapi"
)

// bareCommand is the first argument that makes this program the bare server instead of the benchmark.
const bareCommand = "bare"

// bareAnswers are the bodies that the bare server sends whatever it is asked: taken from the registry, so that they
// have the size of real ones.
type bareAnswers struct {
	Get []byte
	Put []byte
}

// bareLauncher starts this very program as the bare server.
func (b *bench) bareLauncher(answers bareAnswers) (launcher, error) {
	self, err := os.Executable()
	if err != nil {
		return launcher{}, err
	}
	file, err := os.CreateTemp(b.work, "answers-*.json")
	if err != nil {
		return launcher{}, err
	}
	defer func() { _ = file.Close() }()
	if err := json.NewEncoder(file).Encode(answers); err != nil {
		return launcher{}, err
	}
	return launcher{nameBare, b.work, func(s site) []string {
		return []string{self, bareCommand, "-listen", s.addr, "-answers", file.Name()}
	}}, nil
}

// runBare serves fixed answers until ctx ends.
func runBare(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet(bareCommand, flag.ContinueOnError)
	listen := fs.String("listen", "", "host:port")
	path := fs.String("answers", "", "file with the answers")
	if err := fs.Parse(args); err != nil {
		return err
	}
	answers, err := readAnswers(*path)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", *listen)
	if err != nil {
		return err
	}
	// The registry's own server: its time-outs cost timers on each request.
	srv := httpapi.NewServer(bareHandler(answers), slog.New(slog.DiscardHandler))
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	if err := srv.Serve(listener); ctx.Err() == nil {
		return err
	}
	return nil
}

func readAnswers(path string) (bareAnswers, error) {
	var answers bareAnswers
	data, err := os.ReadFile(path)
	if err != nil {
		return answers, err
	}
	if err := json.Unmarshal(data, &answers); err != nil {
		return answers, fmt.Errorf("parse answers: %w", err)
	}
	return answers, nil
}

// bareHandler is the least that a keys API on chi can be: it finds the route, takes the body in, sends bytes.
func bareHandler(answers bareAnswers) http.Handler {
	router := chi.NewRouter()
	router.Get("/health", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	router.Get("/v2/keys/*", func(w http.ResponseWriter, _ *http.Request) { sendFixed(w, answers.Get) })
	router.Put("/v2/keys/*", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		sendFixed(w, answers.Put)
	})
	return router
}

func sendFixed(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // The client went away; wrk counts that.
}
