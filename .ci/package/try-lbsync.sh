# lbsync with Debian's HAProxy and nginx, each with its own unit; read by the scripts that try a package.
# shellcheck shell=sh
# shellcheck disable=SC2154,SC2086 # The variables are those of try-common.sh, without spaces.

# The names of the hosts that answer to ten requests.
hosts() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		curl -fsS "$1"
	done | sort -u | xargs
}
serve() { [ "$(hosts http://127.0.0.1/)" = "$1" ] && [ "$(hosts http://127.0.0.1:8081/)" = "$1" ]; }
register() {
	curl -fsS "$keys/frontends/$1" -XPUT -d "value=$2" -d ttl=600
	registry applied --timeout 30s "/frontends/$1"
}

# Started with the example as it comes, both balancers serve the host that is registered when systemd has seen READY=1.
lbsync_starts() {
	rm /etc/nginx/sites-enabled/default
	cat >/etc/nginx/conf.d/hosts.conf <<-'END'
		server { listen 127.0.0.1:9001; return 200 "fe1\n"; }
		server { listen 127.0.0.1:9002; return 200 "fe2\n"; }
	END
	systemctl restart nginx
	systemctl is-active haproxy nginx
	curl -fsS $keys/frontends/fe1 -XPUT -d value=127.0.0.1:9001 -d ttl=600
	cp /usr/share/doc/rollcall/examples/lbsync.yaml /etc/rollcall/
	systemctl enable --now $lbsync
	[ "$(hosts http://127.0.0.1/)" = fe1 ]
	grep -q 'server 127.0.0.1:9001 ' /etc/nginx/conf.d/frontends.conf
	eventually 10 says $lbsync '2 of 2 files in sync$'
	echo 'server { listen 8081; location / { proxy_pass http://frontends; } }' >/etc/nginx/conf.d/site.conf
	systemctl reload nginx
	eventually 10 serve fe1
	register fe2 127.0.0.1:9002
	serve "fe1 fe2"
	registry rm /frontends/fe1
	registry applied --timeout 30s --gone /frontends/fe1
	serve fe2
}

# A good file is taken; a wrong one is refused by reload and by restart, and the balancers go on.
lbsync_reloads() {
	before=$(pid $lbsync)
	sed -i 's/^# name: lb-1 .*/name: lb-one/' /etc/rollcall/lbsync.yaml
	systemctl reload $lbsync
	eventually 10 has http://127.0.0.1:4002/status '"lb-one"'
	echo 'nonsense: 1' >>/etc/rollcall/lbsync.yaml
	refused systemctl reload $lbsync
	journalctl -u $lbsync | grep -q 'unknown field "nonsense"'
	systemctl is-active $lbsync
	[ "$(pid $lbsync)" = "$before" ]
	register fe1 127.0.0.1:9001
	serve "fe1 fe2"
	refused systemctl restart $lbsync
	serve "fe1 fe2"
	sed -i /^nonsense/d /etc/rollcall/lbsync.yaml
	eventually 30 systemctl is-active $lbsync
	systemctl restart $lbsync
	registry rm /frontends/fe1
	registry applied --timeout 30s --gone /frontends/fe1
	serve fe2
}

# A stuck lbsync is killed by the watchdog and started again, here after 10 seconds; the balancers go on.
lbsync_hangs() {
	mkdir -p /run/systemd/system/$lbsync.d
	printf '[Service]\nWatchdogSec=10s\n' >/run/systemd/system/$lbsync.d/watchdog.conf
	systemctl daemon-reload
	systemctl restart $lbsync
	before=$(pid $lbsync)
	kill -STOP "$before"
	serve fe2
	eventually 60 sh -c "[ \$(systemctl show -P NRestarts $lbsync) = 1 ]"
	eventually 30 systemctl is-active $lbsync
	[ "$(pid $lbsync)" != "$before" ]
	register fe1 127.0.0.1:9001
	rm -r /run/systemd/system/$lbsync.d
	systemctl daemon-reload
}

# Without lbsync the balancers go on as they are.
balancers_go_on() {
	systemctl is-active haproxy nginx
	serve "fe1 fe2"
}
