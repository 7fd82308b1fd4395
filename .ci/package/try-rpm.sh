#!/bin/sh
# Installs, starts, upgrades and erases the RPM package with Debian's rpm, and looks each time. The packages that it
# depends on are Debian's, which rpm does not know: hence --nodeps.
# shellcheck source-path=SCRIPTDIR
. ./try-common.sh
. ./try-lbsync.sh
with_rpm() { rpm --force-debian --nodeps "$@"; }

with_rpm -i old.rpm
rpm -V --nodeps rollcall
[ "$(rpm -q --queryformat '[%{FILEFLAGS:fflags} %{FILENAMES}\n]' rollcall | grep '^[a-z]')" = "cn $settings" ]
[ -f /usr/share/zsh/site-functions/_registry ]
installed
node_starts
lbsync_starts

# Upgraded, with settings that were changed: they stay, what runs is the new program, and the entry is there.
first=$(pid $node) second=$(pid $lbsync)
echo 'max_depth: 9' >>$settings
with_rpm -U new.rpm
grep -q '^max_depth: 9$' $settings
systemctl is-active $node $lbsync
systemctl is-enabled $node $lbsync
[ "$(pid $node)" != "$first" ]
[ "$(pid $lbsync)" != "$second" ]
registry version | grep -q '^registry v0.1.1$'
has $keys/a '"value":"kept"'
upgrade_waits $settings 'max_dept: 9' 'unknown key "max_dept"' with_rpm -U --oldpackage old.rpm
upgrade_waits $variables ROLLCALL_MAX_DEPTH=0 '^Error:  ROLLCALL_MAX_DEPTH: ' with_rpm -U new.rpm
systemctl restart $node
has $keys/a '"value":"kept"'

# Erased: nothing of it runs, entries and user stay, and changed settings under another name.
with_rpm -e rollcall
refused systemctl is-active $node
refused systemctl is-active $lbsync
[ -z "$(find /etc/systemd /usr/bin /usr/lib/systemd /usr/lib/sysusers.d /usr/share -name '*rollcall*' -o -path '*/bin/registry')" ]
getent passwd rollcall
grep -q '^max_depth: 9$' $settings.rpmsave
[ "$(cd /etc/rollcall && echo *)" = "lbsync.yaml registry.yaml.rpmsave" ]
systemctl is-active haproxy nginx
serve fe2

# Installed again, the entry is back.
with_rpm -i new.rpm
systemctl start $node
has $keys/a '"value":"kept"'
rm /etc/rollcall/lbsync.yaml $settings.rpmsave
with_rpm -e rollcall
[ ! -e /etc/rollcall ]
echo "the RPM package is good" >/root/verdict
