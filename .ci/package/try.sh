#!/bin/sh
# Runs inside of a booted Debian (see .ci/try-deb): installs, starts, upgrades, removes and purges the package, and looks
# each time. The first thing that is wrong ends it.
set -eux
keys=http://127.0.0.1:4001/v2/keys
unit=rollcall-registry.service
old=/root/old.deb new=/root/new.deb

# "! command" would not end the script.
refused() { if "$@"; then exit 1; fi; }

# Installed, nothing runs.
dpkg -i $old
refused systemctl is-active $unit
getent passwd rollcall
registry serve --check-config --config /etc/rollcall/registry.yaml
[ -f /usr/share/man/man1/registry-serve.1.gz ]

# Started: systemd waits for READY=1, then it serves, as its own user and with what the unit allows.
systemctl enable --now $unit
curl -fsS $keys/a -XPUT -d value=kept
timeout 30 sh -c "until systemctl show -P StatusText $unit | grep -q '^serving 127.0.0.1:4001: 1 key'; do sleep 1; done"
[ "$(stat -c %U /var/lib/rollcall/registry)" = rollcall ]
first=$(systemctl show -P MainPID $unit)
[ "$(stat -c %U "/proc/$first")" = rollcall ]

# Upgraded, with settings that were changed: they stay, what runs is the new program, and the entry is there.
echo 'max_depth: 9' >>/etc/rollcall/registry.yaml
dpkg -i $new
grep -q '^max_depth: 9$' /etc/rollcall/registry.yaml
systemctl is-active $unit
second=$(systemctl show -P MainPID $unit)
[ "$first" != "$second" ]
registry version | grep -q '^registry v0.1.1$'
curl -fsS $keys/a | grep -q '"value":"kept"'

# A stuck process is killed by the watchdog and started again.
kill -STOP "$second"
timeout 90 sh -c "until [ \$(systemctl show -P NRestarts $unit) = 1 ]; do sleep 1; done"
timeout 30 sh -c "until curl -fsS $keys/a; do sleep 1; done"
[ "$(systemctl show -P MainPID $unit)" != "$second" ]

# Removed: nothing runs, settings and entries stay.
dpkg -r rollcall
refused systemctl is-active $unit
[ ! -e /usr/bin/registry ]
[ -d /var/lib/rollcall/registry ]
[ -f /etc/rollcall/registry.yaml ]

# Installed again, the entry is back.
dpkg -i $new
systemctl start $unit
curl -fsS $keys/a | grep -q '"value":"kept"'

# Purged: all is gone.
dpkg -P rollcall
[ ! -e /var/lib/rollcall ]
[ ! -e /etc/rollcall ]
refused getent passwd rollcall
echo "the package is good" >/root/verdict
