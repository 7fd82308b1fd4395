package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// requestTimeout is far beyond what any answer takes on a healthy server.
const requestTimeout = 30 * time.Second

// httpClient is for what is not measured.
var httpClient = &http.Client{Timeout: requestTimeout}

// A request is one call of the keys API.
type request struct {
	method string
	path   string // from /v2/keys on
	form   string // body; empty for none
}

func putRequest(path, form string) request { return request{http.MethodPut, path, form} }
func getRequest(path string) request       { return request{http.MethodGet, path, ""} }

// get does one request and returns the body of its answer. Any status but 200 is an error.
func (s *server) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.client+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := httpClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %.200s", path, resp.Status, body)
	}
	return body, err
}

// metric reads one series, or the sum of those that begin with the name if it ends before a brace.
func (s *server) metric(ctx context.Context, name string) (float64, error) {
	body, err := s.get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	return sumMetric(string(body), name)
}

// sumMetric adds up the series of a metric. A name with an open brace, as `name{a="b"`, picks those that begin so.
func sumMetric(text, name string) (float64, error) {
	var sum float64
	found := false
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), name)
		if !ok || strings.IndexAny(rest, " {,}") != 0 {
			continue // another metric, whose name begins the same
		}
		v, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		if err != nil {
			return 0, fmt.Errorf("parse metric %s: %w", name, err)
		}
		sum, found = sum+v, true
	}
	if !found {
		return 0, fmt.Errorf("there is no metric %s", name)
	}
	return sum, nil
}

// A wire is a kept-alive connection that does one request at a time. It speaks HTTP by itself: an http.Client would cost
// about as much as the servers do.
type wire struct {
	net.Conn

	reader *bufio.Reader
	buf    []byte
}

func (s *server) dial(ctx context.Context) (*wire, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.client)
	if err != nil {
		return nil, err
	}
	return &wire{Conn: conn, reader: bufio.NewReaderSize(conn, 4096)}, nil
}

// send writes a request.
func (w *wire) send(r request) error {
	b := w.buf[:0]
	b = append(b, r.method...)
	b = append(b, ' ')
	b = append(b, r.path...)
	b = append(b, " HTTP/1.1\r\nHost: registry\r\n"...)
	if r.form != "" {
		b = append(b, "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: "...)
		b = strconv.AppendInt(b, int64(len(r.form)), 10)
		b = append(b, "\r\n"...)
	}
	b = append(b, "\r\n"...)
	b = append(b, r.form...)
	w.buf = b
	_, err := w.Write(b)
	return err
}

// do sends a request and reads its answer to the end. Any status but 200 and 201 is an error.
func (w *wire) do(r request) error {
	if err := w.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		return err
	}
	if err := w.send(r); err != nil {
		return err
	}
	resp, err := http.ReadResponse(w.reader, nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("%s %s: %s", r.method, r.path, resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// wires are connections to some servers, spread evenly: the i-th is to server i modulo their number.
type wires []*wire

func dialAll(ctx context.Context, servers []*server, each int) (wires, error) {
	var all wires
	for range each {
		for _, s := range servers {
			w, err := s.dial(ctx)
			if err != nil {
				return nil, errors.Join(err, all.Close())
			}
			all = append(all, w)
		}
	}
	return all, nil
}

// Close closes all of them.
func (all wires) Close() error {
	var errs []error
	for _, w := range all {
		errs = append(errs, w.Close())
	}
	return errors.Join(errs...)
}
