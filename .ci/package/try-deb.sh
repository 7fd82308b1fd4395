#!/bin/sh
# Installs, starts, upgrades, removes and purges the Debian package, and looks each time.
# shellcheck source-path=SCRIPTDIR
. ./try-common.sh
. ./try-lbsync.sh

dpkg -i old.deb
[ -z "$(dpkg -V rollcall)" ]
[ -f /usr/share/zsh/vendor-completions/_registry ]
installed
node_starts
lbsync_starts
lbsync_reloads
lbsync_hangs

# Upgraded, with settings that were changed: they stay, what runs is the new program, and the entry is there.
first=$(pid $node) second=$(pid $lbsync)
echo 'max_depth: 9' >>$settings
dpkg -i new.deb
grep -q '^max_depth: 9$' $settings
systemctl is-active $node $lbsync
[ "$(pid $node)" != "$first" ]
[ "$(pid $lbsync)" != "$second" ]
registry version | grep -q '^registry v0.1.1$'
has $keys/a '"value":"kept"'
balancers_go_on
watchdog_acts
upgrade_waits $settings 'max_dept: 9' 'unknown key "max_dept"' dpkg -i old.deb
upgrade_waits $variables ROLLCALL_MAX_DEPTH=0 '^Error:  ROLLCALL_MAX_DEPTH: ' dpkg -i new.deb
dpkg -i new.deb
systemctl is-active $node
has $keys/a '"value":"kept"'

# Removed: nothing of it runs, settings and entries stay.
dpkg -r rollcall
refused systemctl is-active $node
refused systemctl is-active $lbsync
[ -z "$(find /etc/systemd -name 'rollcall*')" ]
[ ! -e /usr/bin/registry ]
[ -d /var/lib/rollcall/registry ]
grep -q '^max_depth: 9$' $settings
balancers_go_on

# Installed again, the entry is back.
dpkg -i new.deb
systemctl start $node
has $keys/a '"value":"kept"'

# Purged: all of it is gone, and what the administrator has added stays.
dpkg -P rollcall
[ ! -e /var/lib/rollcall ]
[ "$(ls -A /etc/rollcall)" = lbsync.yaml ]
refused getent passwd rollcall
[ -z "$(find / -xdev \( -nouser -o -nogroup \))" ]
rm /etc/rollcall/lbsync.yaml
dpkg -i new.deb
dpkg -P rollcall
[ ! -e /etc/rollcall ]
echo "the Debian package is good" >/root/verdict
