package registry_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rollcall/registry"
)

// A host registers itself with a lease and renews it; a load balancer lists the hosts
// and follows their changes from there on, without a gap.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	store := registry.New(registry.Options{})
	go store.Run(ctx) // ends leases that nobody renews

	fe1 := registry.PutOptions{Value: "10.0.1.1", TTL: 5 * time.Second}
	if _, err := store.Put("/frontends/fe1", fe1); err != nil {
		fmt.Println(err)
		return
	}
	list, err := store.Get("/frontends", registry.GetOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, entry := range list.Entries {
		fmt.Println(entry.Key, entry.Value, entry.TTL())
	}

	watch, err := store.Watch("/frontends", registry.WatchOptions{Since: list.Index + 1, Recursive: true, Stream: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer watch.Close()

	_, _ = store.Put("/frontends/fe1", fe1) // a heartbeat: no event
	_, _ = store.Put("/frontends/fe2", registry.PutOptions{Value: "10.0.1.2"})
	_, _ = store.Delete("/frontends/fe1", registry.DeleteOptions{})
	for range 2 {
		e, err := watch.Next(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(e.Action, e.Node.Key, e.Node.Value)
	}

	// Output:
	// /frontends/fe1 10.0.1.1 5s
	// set /frontends/fe2 10.0.1.2
	// delete /frontends/fe1
}

// A refusal has the code that clients of the v2 API branch on.
func ExampleError() {
	store := registry.New(registry.Options{})
	_, err := store.Put("/lock", registry.PutOptions{Value: "me", Exist: registry.MustNotExist})
	fmt.Println(err)
	_, err = store.Put("/lock", registry.PutOptions{Value: "you", Exist: registry.MustNotExist})
	if refused, ok := errors.AsType[*registry.Error](err); ok {
		fmt.Println(int(refused.Code), refused.Code, refused.Cause)
	}

	// Output:
	// <nil>
	// 105 Key already exists /lock
}
