package lbtest

import "strings"

// NginxConf returns the operator's part of an nginx configuration: all of it in dir, a server on 127.0.0.1:port for the
// upstream frontends, and the files of dir/conf.d, of which lbsync's is one.
func NginxConf(dir, port string) string {
	return strings.NewReplacer("DIR", dir, "PORT", port).Replace(nginxConf)
}

const nginxConf = `daemon off;
worker_processes 1;
error_log DIR/error.log;
pid DIR/pid;
events {}
http {
    access_log off;
    client_body_temp_path DIR/body;
    proxy_temp_path DIR/proxy;
    fastcgi_temp_path DIR/fastcgi;
    uwsgi_temp_path DIR/uwsgi;
    scgi_temp_path DIR/scgi;
    include DIR/conf.d/*.conf;
    server {
        listen 127.0.0.1:PORT;
        location / { proxy_pass http://frontends; }
    }
}
`
