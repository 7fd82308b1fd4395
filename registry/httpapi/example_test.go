package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"

	"rollcall/registry"
	"rollcall/registry/httpapi"
)

// put sends what curl -X PUT -d value=... sends.
func put(key, value string) (*http.Response, error) {
	form := strings.NewReader(url.Values{"value": {value}}.Encode())
	r, err := http.NewRequest(http.MethodPut, key, form)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return http.DefaultClient.Do(r)
}

// A node is a store, a handler and a server with time-outs. Any client of etcd's v2 API
// can talk to it.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	store := registry.New(registry.Options{})
	go store.Run(ctx) // ends leases that nobody renews

	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	node := "http://" + listener.Addr().String()
	handler := httpapi.New(store, httpapi.Options{Name: "dot", ClientURLs: []string{node}})
	server := httpapi.NewServer(handler, slog.New(slog.DiscardHandler))
	defer server.Close()
	go server.Serve(listener) //nolint:errcheck // it ends with Close

	resp, err := put(node+"/v2/keys/frontends/fe1", "10.0.1.1")
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Action string
		Node   struct{ Key, Value string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		panic(err)
	}
	fmt.Println(resp.Status, answer.Action, answer.Node.Key, answer.Node.Value)

	// Output:
	// 201 Created set /frontends/fe1 10.0.1.1
}
