package haproxy

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/lbsync"
)

// A deafMaster has three old workers, the first of which hangs.
type deafMaster struct{ asked map[string]int }

func (m deafMaster) ask(ctx context.Context, command string) (string, error) {
	m.asked[command]++
	switch {
	case command == askProcesses:
		return "#<PID> <type> <reloads> <uptime> <version>\n1 master 3 0d00h01m14s 2.6.12\n# workers\n9 worker 0 0d00h00m01s 2.6.12\n" +
			"# old workers\n2 worker 3 0d00h00m30s 2.6.12\n3 worker 2 0d00h00m20s 2.6.12\n4 worker 1 0d00h00m10s 2.6.12\n# programs\n\n\n", nil
	case strings.HasPrefix(command, "@!2 "):
		<-ctx.Done()
		return "", ctx.Err()
	default:
		return "", errNotRunning
	}
}

// One old worker that hangs costs a round little, and not each round.
func TestOldWorkerThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := deafMaster{asked: map[string]int{}}
		d := &Driver{master: m, old: map[int]oldWorker{2: {sessions: map[ref]int{{"a", "s"}: 3}}, 7: {}}, conf: lbsync.HAProxy{}}
		began := time.Now()
		for range 50 {
			if n := len(d.oldWorkers(t.Context())); n != 3 {
				t.Fatalf("%d old workers", n)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(began) - 5*time.Second; took > 2*oldTimeout {
			t.Errorf("50 rounds took %v longer", took)
		}
		if d.old[2].sessions[ref{"a", "s"}] != 3 {
			t.Error("what was known of it is forgotten")
		}
		if m.asked["@!2 "+askStat] > 2 || m.asked["@!3 "+askStat] == 0 || m.asked["@!4 "+askStat] == 0 {
			t.Errorf("asked: %v", m.asked)
		}
	})
}
