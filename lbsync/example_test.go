package lbsync_test

import (
	"fmt"

	"rollcall/lbsync"
)

// A value is a server or is rejected for a reason; there is nothing in between.
func ExampleParseValue() {
	for _, value := range []string{"10.0.1.1", `{"addr":"10.0.1.2","port":81,"weight":50}`, "10.0.1.3 weight 9"} {
		s, err := lbsync.ParseValue(value, 8080)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(s.Name(), s.Addr, s.Weight)
	}
	// Output:
	// s_10.0.1.1_8080 10.0.1.1:8080 100
	// s_10.0.1.2_81 10.0.1.2:81 50
	// entry rejected: bad_syntax
}

// Faults of a configuration have a place.
func ExampleParseConfig() {
	_, err := lbsync.ParseConfig("lbsync.yaml", []byte(`endpoints: [http://127.0.0.1:4001]
services:
  frontends: {prefix: /frontends, port: 8080}
nginx:
  - config: /etc/nginx/conf.d/frontends.conf
    services: [frontend]
    check: [nginx, -t]
    reload: [nginx, -s, reload]
`))
	fmt.Println(err)
	// Output: lbsync.yaml:6:16: unknown service "frontend"
}
