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
	target, err := nginx.NewTarget(lbsync.Nginx{
		Config:   "/etc/nginx/conf.d/frontends.conf",
		Services: []string{"frontends"},
		Verify:   "127.0.0.1:9913",
		Check:    lbsync.Command{"nginx", "-t"},
		Reload:   lbsync.Command{"nginx", "-s", "reload"},
	}, nginx.Options{})
	if err != nil {
		panic(err)
	}

	pool := lbsync.Pool{Name: "frontends"}
	for _, value := range []string{"10.0.1.1", `{"addr":"10.0.1.2","port":81,"weight":50,"maxconn":200}`, `{"addr":"10.0.1.3","state":"drain"}`} {
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
	//     server 10.0.1.2:81 weight=50 max_conns=200 max_fails=3 fail_timeout=5s;
	//     server 10.0.1.3:8080 weight=100 max_fails=3 fail_timeout=5s down;
	//     keepalive 16;
	// }
	//
	// # The generation of this file: 16 hexadecimal digits that change with anything else in it.
	// map "" $rollcall_gen_2cb0111b { default "df07db7bf4fe10a6"; }
	//
	// server {
	//     listen 127.0.0.1:9913;
	//     server_name rollcall-2cb0111b;
	//     access_log off;
	//     keepalive_timeout 0;
	//     location = /rollcall-gen { return 200 "$rollcall_gen_2cb0111b\n"; }
	//     location / { return 404; }
	// }
	//
	// # End of the file.
}
