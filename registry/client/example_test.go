package client_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"time"

	"rollcall/registry"
	"rollcall/registry/client"
	"rollcall/registry/httpapi"
)

// exampleNode is a node in this process; in real life it is `registry serve`.
func exampleNode() *httptest.Server {
	return httptest.NewServer(httpapi.New(registry.New(registry.Options{Tag: 1}), httpapi.Options{Name: "dot"}))
}

func ExampleClient_Get() {
	node := exampleNode()
	defer node.Close()
	ctx := context.Background()

	c, err := client.New([]string{node.URL}, client.Options{})
	if err != nil {
		panic(err)
	}
	defer c.Close()
	for name, address := range map[string]string{"fe1": "10.0.1.1", "fe2": "10.0.1.2"} {
		if _, err := c.Set(ctx, "/frontends/"+name, address, client.SetOptions{}); err != nil {
			panic(err)
		}
	}
	listing, err := c.Get(ctx, "/frontends", client.GetOptions{Sorted: true})
	if err != nil {
		panic(err)
	}
	for _, frontend := range listing.Node.Nodes {
		fmt.Println(frontend.Key, frontend.Value)
	}
	_, err = c.Get(ctx, "/frontends/fe3", client.GetOptions{})
	fmt.Println("fe3 is missing:", client.IsNotFound(err))
	// Output:
	// /frontends/fe1 10.0.1.1
	// /frontends/fe2 10.0.1.2
	// fe3 is missing: true
}

func ExampleClient_Watch() {
	node := exampleNode()
	defer node.Close()
	ctx := context.Background()

	c, err := client.New([]string{node.URL}, client.Options{})
	if err != nil {
		panic(err)
	}
	defer c.Close()
	known, err := c.Set(ctx, "/frontends/fe1", "10.0.1.1", client.SetOptions{})
	if err != nil {
		panic(err)
	}
	if _, err := c.Delete(ctx, "/frontends/fe1", client.DeleteOptions{}); err != nil {
		panic(err)
	}
	w := c.Watch("/frontends", client.WatchOptions{AfterIndex: known.Index, Recursive: true})
	change, err := w.Next(ctx)
	if err != nil {
		panic(err)
	}
	fmt.Println(change.Action, change.Node.Key, "was", change.PrevNode.Value)
	// Output:
	// delete /frontends/fe1 was 10.0.1.1
}

func ExampleClient_Register() {
	node := exampleNode()
	defer node.Close()

	c, err := client.New([]string{node.URL}, client.Options{})
	if err != nil {
		panic(err)
	}
	defer c.Close()
	// A service passes the context that ends when it shuts down.
	ctx, shutDown := context.WithCancel(context.Background())
	err = c.Register(ctx, "/frontends/fe1", "10.0.1.1:8080", client.RegisterOptions{
		TTL:          30 * time.Second,
		OnRegistered: shutDown,
	})
	fmt.Println("registered and removed:", err == nil)
	// Output:
	// registered and removed: true
}
