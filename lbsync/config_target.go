package lbsync

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// maxSocketLen is the longest path that HAProxy can bind a socket to, in bytes: the kernel takes 107, and HAProxy first binds
// to the path with its process id, of up to seven digits, and ".tmp" behind.
const maxSocketLen = 95

func (v *validator) haproxy(at string, t HAProxy, services map[string]Service) {
	v.target(at, t.Config, t.Services, services)
	if _, err := ParseBind(t.Bind); err != nil && (t.Template == "" || t.Bind != "") {
		v.fault(at+".bind", "bind must be [IP]:PORT, like \":80\" or \"10.0.0.1:80\"")
	}
	v.socket(at+".runtime_socket", t.RuntimeSocket)
	v.socket(at+".master_socket", t.MasterSocket)
	v.zone(at+".zone", t.Zone)
	v.pace(at+".reloads", t.Pace)
	v.command(at+".check", t.Check)
	if len(t.Check) > 0 && !t.Check.HasFile() {
		v.fault(at+".check", "check must contain \"{file}\", which stands for the candidate")
	}
	if t.MasterSocket == "" || v.given(at+".reload") {
		v.command(at+".reload", t.Reload)
	}
}

func (v *validator) nginx(at string, t Nginx, services map[string]Service) {
	v.target(at, t.Config, t.Services, services)
	v.verify(at+".verify", t.Verify)
	v.zone(at+".zone", t.Zone)
	v.pace(at+".reloads", t.Pace)
	v.command(at+".check", t.Check)
	if len(t.Check) > 0 && !t.Check.HasFile() && t.Check.Program("nginx") < 0 {
		v.fault(at+".check", "check must call nginx, or contain \"{file}\", which stands for the candidate")
	}
	v.command(at+".reload", t.Reload)
}

func (v *validator) target(at, config string, names []string, services map[string]Service) {
	path := filepath.Clean(config)
	switch {
	case config == "" || strings.ContainsRune(config, 0):
		v.fault(at+".config", "config must be the path of the file to write")
	case v.taken[path]:
		v.fault(at+".config", "two targets write %s", path)
	}
	v.taken[path] = true
	if len(names) == 0 {
		v.fault(at+".services", "services needs at least one name")
	}
	for i, name := range names {
		place := fmt.Sprintf("%s.services[%d]", at, i)
		if _, ok := services[name]; !ok {
			v.fault(place, "unknown service %q", name)
		} else if slices.Contains(names[:i], name) {
			v.fault(place, "service %q comes twice", name)
		}
	}
}

// socket checks a path that is written into HAProxy's file, where a space or a $ would have a meaning, and which HAProxy
// takes for a TCP address unless it begins with a slash.
func (v *validator) socket(at, path string) {
	switch {
	case path == "":
		return
	case !filepath.IsAbs(path) || !consistsOf(path, "/._-"):
		v.fault(at, "%s must be an absolute path of letters, digits, '.', '_', '-' and '/'", lastKey(at))
	case len(path) > maxSocketLen:
		v.fault(at, "%s has %d bytes; HAProxy can bind to %d at most", lastKey(at), len(path), maxSocketLen)
	default:
		v.once(at, filepath.Clean(path))
	}
}

// verify checks the address that nginx is asked at.
func (v *validator) verify(at, addr string) {
	if addr == "" {
		return
	}
	ip, err := netip.ParseAddrPort(addr)
	if err != nil || ip.Port() == 0 || ip.Addr().Zone() != "" || ip.Addr().IsUnspecified() || ip.Addr().IsMulticast() {
		v.fault(at, "verify must be IP:PORT, like 127.0.0.1:8999")
		return
	}
	v.once(at, ip.String())
}

// once refuses what a target has already.
func (v *validator) once(at, what string) {
	if v.taken[what] {
		v.fault(at, "%s is used twice", what)
	}
	v.taken[what] = true
}

func (v *validator) zone(at, zone string) {
	if zone != "" && !isWord(zone) {
		v.fault(at, "zone: only letters, digits, '.', '_' and '-', at most %d", maxWordLen)
	}
}

func (v *validator) pace(at string, p PaceConfig) {
	v.duration(at+".min_gap", p.MinGap)
	v.duration(at+".jitter", p.Jitter)
	v.count(at+".per_minute", p.PerMinute, 1)
}

func (v *validator) command(at string, c Command) {
	if len(c) == 0 || slices.Contains(c, "") {
		v.fault(at, "%s must be a command: a list of a program and its arguments", lastKey(at))
	}
}

// Pace is the pace that the file asks for; what it does not say is as in defaults.
func (c PaceConfig) Pace(defaults Pace) Pace {
	p := defaults
	if c.MinGap != nil {
		p.MinGap = orNone(*c.MinGap)
	}
	if c.PerMinute != 0 {
		p.PerMinute = c.PerMinute
	}
	if c.Jitter != nil {
		p.Jitter = orNone(*c.Jitter)
	}
	return p
}

// orNone turns a 0 of the file, which means none, into the negative duration that means so in a [Pace].
func orNone(d Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return time.Duration(d)
}
