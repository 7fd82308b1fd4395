package haproxy

import (
	"strings"
	"testing"
)

// TestReplies holds answers as versions of HAProxy give them. Measured: 2.6.12 here. Reported: 3.0.26 to 3.4.3, from a
// published record of runs of those versions. Source: reg-tests/server of HAProxy at the versions named, whose
// texts are those of src/server.c.
func TestReplies(t *testing.T) {
	for _, tt := range []struct {
		from, reply string
		want        expectation
		met         bool
	}{
		{"2.6 measured, 3.0 to 3.4 reported", "New server registered.\n\n", registered, true},
		{"2.4 source", "New server registered.\n", registered, true},
		{"2.6 measured, 3.0 to 3.4 reported", "Server deleted.\n", deleted, true},
		{"3.4 reported", "Server deleted.\n\n", deleted, true},
		{"2.6 measured, 3.0 to 3.4 reported", "\n", silence, true},

		{"nothing at all", "", silence, false},
		{"cut off", "Server deleted.", deleted, false},
		{"more than the text", "Server deleted.\nServer deleted.\n", deleted, false},
		{"another command's success", "Server deleted.\n", registered, false},
		{"2.6 measured", "No such server.\n\n", silence, false},
		{"2.6 measured", "No such backend.\n\n", registered, false},
		{"2.6 measured", "Already exists a server with the same name in backend.\n\n", registered, false},
		{"2.6 measured", "'id' : custom id 9 already used at (null):0 ('server s_127.0.0.9_80').\n\n", registered, false},
		{"2.6 measured", "unknown keyword 'foo'; did you mean 'tfo' maybe ?\n\n", registered, false},
		{"2.6 measured", "Only servers in maintenance mode can be deleted.\n", deleted, false},
		{"2.4 source", "This server cannot be removed at runtime due to other configuration elements pointing to it.\n", deleted, false},
		{"2.6 measured", "Backend is using a static LB algorithm and only accepts weights '0%' and '100%'.\n\n", silence, false},
		{"2.6 measured", "Health check was not configured on this server, cannot enable.\n\n", silence, false},
		{"2.6 measured", "Unknown command, but maybe one of the following ones is a better match:\n  help\n\n", silence, false},
		{"3.4 reported", "Unknown command: 'show', but maybe one of the following ones is a better match:\n\n", silence, false},
		{"severity output", "[6]: Server deleted.\n", deleted, false},
	} {
		if got := tt.want.met(tt.reply); got != tt.met {
			t.Errorf("%s: %q: %v", tt.from, tt.reply, got)
		}
	}
}

func TestRefusals(t *testing.T) {
	for from, reply := range map[string]string{
		"2.6 measured, 3.0 to 3.3 reported": "Backend must use a dynamic load balancing to support dynamic servers.\n",
		"2.4 source":                        "Backend must use a consistent hashing method for load balancing to support dynamic servers.\n",
		"2.4 and 2.5 source":                "This command is restricted to experimental mode only.\n\n",
		"3.4 reported":                      "Backend does not support dynamic servers : backend 'x' uses a non dynamic load balancing method.\n",
		"2.6 measured, 3.x reported":        "'init-addr' option is not accepted for dynamic server\n\n",
	} {
		if !cannotAdd(reply) {
			t.Errorf("%s: %q does not count for the whole backend", from, reply)
		}
	}
	for _, reply := range []string{"", "\n", "New server registered.\n\n", "No such backend.\n\n"} {
		if cannotAdd(reply) || busy(reply) {
			t.Errorf("%q counts as a refusal", reply)
		}
	}
	if !busy("Server still has connections attached to it, cannot remove it.\n") { // 2.6 measured, 3.0 to 3.4 reported.
		t.Error("a busy server is not seen")
	}
}

func TestMarker(t *testing.T) {
	for reply, want := range map[string]string{
		"proc.rollcall_gen: type=str value=<0123456789abcdef>\n": "0123456789abcdef",
		"Variable not found.\n\n":                                "",
	} {
		if got, err := parseMarker(reply); got != want || err != nil {
			t.Errorf("%q: %q %v", reply, got, err)
		}
	}
	for _, reply := range []string{"", "\n", "proc.rollcall_gen: type=str value=<0123", "proc.other: type=str value=<1>\n"} {
		if got, err := parseMarker(reply); err == nil {
			t.Errorf("%q: %q", reply, got)
		}
	}
}

// FuzzReply finds no text but the known one that counts as success, and none that breaks a parser.
func FuzzReply(f *testing.F) {
	f.Add("\n")
	f.Add("New server registered.\n\n")
	f.Add("Server deleted.\n")
	f.Add("1\n# be_id be_name srv_id srv_name\n3 a 5\n\n")
	f.Add("# pxname,svname,\na,BACKEND,\n\n")
	f.Add(procs26)
	f.Fuzz(func(t *testing.T, reply string) {
		text := strings.TrimRight(reply, "\n")
		for want, known := range map[expectation]string{silence: "", registered: textRegistered, deleted: textDeleted} {
			if want.met(reply) && text != known {
				t.Errorf("%q is taken for a success", reply)
			}
		}
		if marker, err := parseMarker(reply); err == nil && marker != "" && !strings.Contains(reply, "<"+marker+">") {
			t.Errorf("%q has the marker %q", reply, marker)
		}
		if parseReload(reply) == nil && text != "" && strings.TrimSpace(text) != "" && !strings.HasPrefix(reply, "Success=1") {
			t.Errorf("%q is taken for a reload", reply)
		}
		_, _ = parsePID(reply)
		_, _ = parseProcesses(reply)
		var run running
		if run.readStat(reply) == nil {
			_ = run.readState(reply)
		}
	})
}
