package main

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"rollcall/lbsync"
	"rollcall/lbsync/feed"
	"rollcall/registry"
)

// discoveryPath is where Prometheus finds what is registered at a node.
const discoveryPath = "/v1/sd/prometheus"

// discovery serves the entries below ?prefix= as Prometheus' http_sd_configs reads them, with ?port= for values that have
// none. While the node is not ready it is 503, on which Prometheus keeps what it has: half a list would end targets.
func discovery(store *registry.Store, ready func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
			return
		}
		if err := ready(); err != nil {
			w.Header().Set("Retry-After", "1")
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		pool, err := discover(store, r.URL.Query().Get("prefix"), r.URL.Query().Get("port"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		feed.Serve(w, r, feed.Prometheus([]lbsync.Pool{pool}))
	}
}

// discover returns what is registered below a prefix. A prefix that is not there has nothing below it.
func discover(store *registry.Store, prefix, port string) (lbsync.Pool, error) {
	if prefix == "" {
		return lbsync.Pool{}, errors.New("prefix required, such as ?prefix=/frontends")
	}
	var number uint64
	if port != "" {
		var err error
		if number, err = strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
			return lbsync.Pool{}, fmt.Errorf("port %.20q is none", port)
		}
	}
	key, err := registry.ParseKey(prefix)
	if err != nil {
		return lbsync.Pool{}, err
	}
	var entries []lbsync.Entry
	if found, err := store.Get(key, registry.GetOptions{Recursive: true}); err == nil {
		entries = below(found.Listing, strings.TrimSuffix(string(key), "/")+"/", nil)
	}
	pool, _ := lbsync.ReadPool(strings.Trim(string(key), "/"), entries, uint16(number))
	return pool, nil
}

// below appends the files of a listing, with their keys as they go on after the prefix.
func below(l registry.Listing, prefix string, to []lbsync.Entry) []lbsync.Entry {
	for _, e := range l.Entries {
		if e.IsDir() {
			to = below(e, prefix, to)
		} else {
			to = append(to, lbsync.Entry{Key: strings.TrimPrefix(string(e.Key), prefix), Value: e.Value})
		}
	}
	return to
}
