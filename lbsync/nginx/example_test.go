package nginx_test

import (
	"fmt"

	"rollcall/lbsync"
	"rollcall/lbsync/nginx"
)

// A target is what a syncer keeps in step with the registry: one file for one nginx.
// Its driver makes the file from pools. A configuration of the operator includes the
// file and passes requests on to http://frontends.
func Example() {
	target := nginx.NewTarget(lbsync.Nginx{
		Config:   "/etc/nginx/conf.d/frontends.conf",
		Services: []string{"frontends"},
		Check:    lbsync.Command{"nginx", "-t"},
		Reload:   lbsync.Command{"nginx", "-s", "reload"},
	}, nginx.Options{})

	pool := lbsync.Pool{Name: "frontends"}
	for _, value := range []string{"10.0.1.1", `{"addr":"10.0.1.2","port":81,"weight":50}`, `{"addr":"10.0.1.3","state":"drain"}`} {
		server, err := lbsync.ParseValue(value, 8080)
		if err != nil {
			panic(err)
		}
		pool.Servers = append(pool.Servers, server)
	}
	file, err := target.Driver.Render([]lbsync.Pool{pool})
	if err != nil {
		panic(err)
	}
	fmt.Println(string(file))

	// Output:
	// # Written by registry lbsync. It replaces the whole file at every change: do not edit.
	// # For inclusion inside the http block.
	//
	// upstream frontends {
	//     zone frontends 128k;
	//     server 10.0.1.1:8080 weight=100 max_fails=3 fail_timeout=5s;
	//     server 10.0.1.2:81 weight=50 max_fails=3 fail_timeout=5s;
	//     server 10.0.1.3:8080 weight=100 max_fails=3 fail_timeout=5s down;
	//     keepalive 16;
	// }
	//
	// # End of the file.
}
