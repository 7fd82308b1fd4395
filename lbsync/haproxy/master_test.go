package haproxy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Answers to show proc. 2.6 is recorded here; 2.4 is the form of HAProxy's management guide 2.4; 3.4 is from a published
// record of a run.
const (
	procs24 = `#<PID>          <type>          <relative PID>  <reloads>       <uptime>        <version>
1162            master          0               5               0d00h02m07s     2.4.0
# workers
1271            worker          1               0               0d00h00m00s     2.4.0
# old workers
1233            worker          [was: 1]        3               0d00h00m43s     2.4.0
# programs

`
	procs26 = `#<PID>          <type>          <reloads>       <uptime>        <version>
17339           master          2 [failed: 1]   0d00h01m14s     2.6.12-1+deb12u4
# workers
17467           worker          1               0d00h00m51s     2.6.12-1+deb12u4
# old workers
25526           worker          12              0d00h00m30s     2.6.12-1+deb12u4
# programs

`
	procs34 = `#<PID>          <type>          <reloads>       <uptime>        <version>
1               master          0 [failed: 0]   0d00h00m01s     3.4.3-80ea565fd
# workers
14              worker          0               0d00h00m01s     3.4.3-80ea565fd

`
)

func TestProcesses(t *testing.T) {
	for name, tt := range map[string]struct {
		reply string
		want  processes
	}{
		"2.4": {procs24, processes{reloads: 5, workers: []process{{1271, 0}}, old: []process{{1233, 3}}}},
		"2.6": {procs26, processes{reloads: 2, failed: 1, workers: []process{{17467, 1}}, old: []process{{25526, 12}}}},
		"3.4": {procs34, processes{workers: []process{{14, 0}}}},
	} {
		got, err := parseProcesses(tt.reply)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(tt.want, got, cmp.AllowUnexported(processes{}, process{})); d != "" {
			t.Errorf("%s: -want +got\n%s", name, d)
		}
	}
	for _, bad := range []string{"", "\n", "garbage\n\n", procs26[:100], procs26[:len(procs26)-1], strings.Replace(procs26, "17467", "x", 1)} {
		if got, err := parseProcesses(bad); err == nil {
			t.Errorf("%q: %+v", bad, got)
		}
	}
}

// Answers to reload: none at all is 2.6's, measured; the others are 2.7's to 3.4's as reported.
func TestReloadAnswers(t *testing.T) {
	for _, good := range []string{"", "\n", "Success=1\n", "Success=1\n--\n[NOTICE]   (1) : Loading success.\n\n"} {
		if err := parseReload(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	err := parseReload("Success=0\n--\n[ALERT]    (1) : config : parsing [h.cfg:9] : unknown keyword 'nonsense'\n\n")
	if err == nil || !strings.Contains(err.Error(), "unknown keyword 'nonsense'") {
		t.Errorf("HAProxy's words are lost: %v", err)
	}
	if err := parseReload("Permission denied\n"); err == nil {
		t.Error("an unknown answer is a success")
	}
}
