package haproxy

import (
	"cmp"
	"fmt"

	"rollcall/lbsync"
)

// samples are values of servers as pools may have them.
var samples = []string{
	"192.0.2.1:80", `{"addr":"192.0.2.2","port":80,"weight":1,"zone":"a","maxconn":100,"slowstart":30}`,
	`{"addr":"192.0.2.3","port":80,"state":"drain"}`, `{"addr":"192.0.2.4","port":80,"state":"down","zone":"b"}`,
	`{"addr":"2001:db8::1","port":65535,"backup":true}`,
}

// tryTemplate renders pools of no, of one and of several servers, so that a template does not fail at the first host
// that is unlike the others.
func (d *Driver) tryTemplate() error {
	for _, n := range []int{0, 1, len(samples)} {
		pools, err := samplePools(d.conf.Services, samples[:n])
		if err != nil {
			return err
		}
		text, err := d.Render(pools)
		if err == nil {
			err = cmp.Or(lbsync.Lint(text), lbsync.LintServers(text, pools))
		}
		if err != nil {
			return fmt.Errorf("haproxy template, tried with %d servers: %w", n, err)
		}
	}
	return nil
}

// samplePools makes a pool for each service.
func samplePools(services, values []string) ([]lbsync.Pool, error) {
	if len(services) == 0 {
		services = []string{"frontends"}
	}
	pools := make([]lbsync.Pool, len(services))
	for i, name := range services {
		pools[i].Name = name
		for _, value := range values {
			s, err := lbsync.ParseValue(value, 0)
			if err != nil {
				return nil, err
			}
			pools[i].Servers = append(pools[i].Servers, s)
		}
	}
	return pools, nil
}
