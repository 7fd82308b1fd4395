# For the scripts that try a package inside of a booted Debian (see .ci/try-package), which read this file. The first thing
# that is wrong ends them.
# shellcheck shell=sh
set -eux
keys=http://127.0.0.1:4001/v2/keys
node=rollcall-registry.service
lbsync=rollcall-lbsync.service
settings=/etc/rollcall/registry.yaml
# shellcheck disable=SC2034 # Used by those who read this file.
variables=/etc/default/rollcall-registry

# "! command" would not end the script.
refused() { if "$@"; then exit 1; fi; }

# eventually SECONDS COMMAND... tries it every second.
eventually() {
	tries=$1
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ]
		sleep 1
	done
}

has() { curl -fsS "$1" | grep -q "$2"; }
pid() { systemctl show -P MainPID "$1"; }
says() { systemctl show -P StatusText "$1" | grep -q "^$2"; }
is_file() { [ "$(stat -c '%a %U:%G' "$2")" = "$1" ]; }

# Installed: files have their modes and owners, manual and completions work, there is a user, and nothing runs.
installed() {
	is_file "755 root:root" /usr/bin/registry
	is_file "644 root:root" $settings
	is_file "644 root:root" /usr/lib/systemd/system/$node
	is_file "644 root:root" /usr/lib/systemd/system/$lbsync
	getent passwd rollcall | grep -q ':/var/lib/rollcall:/usr/sbin/nologin$'
	[ "$(systemctl is-active $node $lbsync | sort -u)" = inactive ]
	[ "$(systemctl is-enabled $node $lbsync | sort -u)" = disabled ]
	registry serve --check-config --config $settings
	lexgrog /usr/share/man/man1/registry*.1.gz
	[ -z "$(man --warnings -l /usr/share/man/man1/registry-serve.1.gz 2>&1 >/dev/null)" ]
	completed=$(bash -c '. /usr/share/bash-completion/bash_completion; _completion_loader registry
		COMP_LINE="registry serve --check-" COMP_POINT=23 COMP_WORDS=(registry serve --check-) COMP_CWORD=2
		__start_registry; echo "${COMPREPLY[@]}"')
	[ "$completed" = --check-config ]
}

# Started: systemd waits for READY=1, then it serves, as its own user and with what the unit allows.
node_starts() {
	systemctl enable --now $node
	curl -fsS $keys/a -XPUT -d value=kept
	eventually 30 says $node 'serving 127.0.0.1:4001: 1 key'
	is_file "750 rollcall:rollcall" /var/lib/rollcall/registry
	[ "$(stat -c %U "/proc/$(pid $node)")" = rollcall ]
}

# A stuck process is killed by the watchdog and started again.
watchdog_acts() {
	before=$(pid $node)
	kill -STOP "$before"
	eventually 90 sh -c "[ \$(systemctl show -P NRestarts $node) = 1 ]"
	eventually 30 has $keys/a '"value":"kept"'
	[ "$(pid $node)" != "$before" ]
}

# upgrade_waits FILE LINE REASON COMMAND... upgrades while the settings are wrong, by a line in a file: what runs goes on, and
# the reason is told.
upgrade_waits() {
	before=$(pid $node) file=$1 reason=$3
	touch "$file"
	cp "$file" /root/good
	echo "$2" >>"$file"
	shift 3
	"$@" >/root/upgrade 2>&1
	grep -q "$reason" /root/upgrade
	grep -q "^rollcall: $node is not restarted" /root/upgrade
	[ "$(pid $node)" = "$before" ]
	cp /root/good "$file"
}
