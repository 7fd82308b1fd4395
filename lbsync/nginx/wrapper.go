package nginx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"rollcall/lbsync"
)

// wrapper is a whole configuration around one candidate. All files that nginx makes, even when it only tests, are in a
// directory of their own.
const wrapper = `events {}
error_log stderr;
pid "DIR/pid";
http {
    access_log off;
    client_body_temp_path "DIR/body";
    proxy_temp_path "DIR/proxy";
    fastcgi_temp_path "DIR/fastcgi";
    uwsgi_temp_path "DIR/uwsgi";
    scgi_temp_path "DIR/scgi";
    include "FILE";
}
`

// checkWrapped runs nginx -t on the candidate alone, with the nginx that the check command names and whatever stands
// in front of it there, such as sudo.
func (d *Driver) checkWrapped(ctx context.Context, path string) (err error) {
	at := d.conf.Check.Program("nginx")
	if at < 0 {
		return errors.New("the check command does not call nginx")
	}
	candidate, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("candidate: %w", err)
	}
	dir, err := os.MkdirTemp("", "rollcall-nginx-")
	if err != nil {
		return fmt.Errorf("wrapper: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(wrap(dir, candidate)), 0o600); err != nil {
		return fmt.Errorf("wrapper: %w", err)
	}
	command := slices.Concat(d.conf.Check[:at+1], lbsync.Command{"-t", "-q", "-p", dir, "-c", conf})
	return command.Run(ctx, d.options.CheckTimeout)
}

func wrap(dir, candidate string) string {
	return strings.NewReplacer("DIR", dir, "FILE", candidate).Replace(wrapper)
}
