package haproxy_test

import (
	"fmt"
	"strings"

	"rollcall/lbsync"
	"rollcall/lbsync/haproxy"
)

// A target is what a syncer keeps in step with the registry: one file of one HAProxy.
// Its driver makes the file from pools; here the end of it is shown.
func Example() {
	target, err := haproxy.NewTarget(lbsync.HAProxy{
		Config:   "/etc/haproxy/haproxy.cfg",
		Bind:     ":80",
		Services: []string{"frontends"},
		Check:    lbsync.Command{"haproxy", "-c", "-f", "{file}"},
		Reload:   lbsync.Command{"systemctl", "reload", "haproxy"},
	}, haproxy.Options{RunAs: haproxy.DefaultRunAs()})
	if err != nil {
		panic(err)
	}

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
	_, end, _ := strings.Cut(string(file), "\nfrontend ")
	fmt.Println("frontend", end)

	// Output:
	// frontend rollcall
	//     bind :80
	//     default_backend frontends
	//
	// backend frontends
	//     balance roundrobin
	//     server s_10.0.1.1_8080 10.0.1.1:8080 id 8600 weight 100 check inter 2s fastinter 500ms fall 2 rise 2
	//     server s_10.0.1.2_81 10.0.1.2:81 id 18037 weight 50 check inter 2s fastinter 500ms fall 2 rise 2
	//     server s_10.0.1.3_8080 10.0.1.3:8080 id 11622 weight 0 check inter 2s fastinter 500ms fall 2 rise 2
	//
	// # End of the file.
}
