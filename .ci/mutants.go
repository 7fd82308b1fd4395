//go:build ignore

// Mutants breaks the program on purpose, one way at a time, and runs the tests that must notice: for the replication the
// simulation and the laws of the join, for what systemd and the configuration are about the tests of the command. A mutant
// that lives is a hole in them.
//
//	go run .ci/mutants.go .ci/mutants_command.go            # all of them: make mutants
//	go run .ci/mutants.go .ci/mutants_command.go grace      # those with "grace" in their name
//
// The broken sources are laid over the real ones, which are not touched.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// mutant replaces one piece of a file, which must be there exactly once.
type mutant struct {
	name, file string
	old, new   string
}

var mutants = []mutant{
	{"no tombstones", "registry/merge.go",
		"	s.graves.bury(r, s.leases.instant(now.Add(keep)))\n",
		"	r.retire()\n"},
	{"an expiry as a plain newer write", "registry/write.go",
		"		return s.circulateLocked(&record{key: n.Key, time: ended.time, node: ended.node, kind: k, action: Expire})\n",
		"		return s.recordLocked(now, n.Key, k, Expire, 0)\n"},
	{"a fresh grace for late joiners", "registry/merge.go",
		"		left = min(left, in.residual)\n",
		"		left = ttl * 4\n"},
	{"no grace: orphans end with their owner", "registry/orphan.go",
		"			s.leaseLocked(now, &node, at.node, node.grant.asked())\n",
		"			s.leaseUntilLocked(&node, at.node, node.grant.asked(), now)\n"},
	{"orphans never end", "registry/orphan.go",
		"			s.leaseLocked(now, &node, at.node, node.grant.asked())\n",
		"			s.leaseUntilLocked(&node, at.node, node.grant.asked(), now.Add(time.Hour))\n"},
	{"what expired while its owner was away stays away", "registry/orphan.go",
		"	if a.incomplete {\n",
		"	if false {\n"},
	{"no objection to the expiry of a lease that is renewed here", "registry/contest.go",
		"	return in.kind == kindExpire &&",
		"	return false && in.kind == kindExpire &&"},
	{"heartbeats elsewhere are dropped", "registry/renewal.go",
		"	to.renewals = append(to.renewals, p)\n	s.stats",
		"	_ = to\n	delete(s.pending, n.Key)\n	s.stats"},
	{"no takeover when the owner does not answer", "registry/renewal.go",
		"		default:\n			s.takeOverLocked(now, key, p)\n		}\n	}\n}",
		"		default:\n			delete(s.pending, key)\n		}\n	}\n}"},
	{"a takeover is as new as its moment, not as its heartbeat", "registry/renewal.go",
		"max(p.rec.time+1, s.clock.wall(p.since))",
		"s.clock.next(now, 0)"},
	{"the lower version wins", "registry/record.go",
		"	if c := r.version().compare(held.version()); c != 0 {\n		return c > 0\n",
		"	if c := r.version().compare(held.version()); c != 0 {\n		return c < 0\n"},
	{"a cut does not end what comes later and is older", "registry/merge.go",
		"		if grave.cut != nil && v.isBelow(grave.cut.version()) {\n",
		"		if false {\n"},
	{"a file and what is below it both live", "registry/merge.go",
		"	if r.kind == kindFile && r.version().isBelow(s.newestBelowLocked(r.key)) {\n",
		"	if false {\n"},
	{"a file that became a directory ends nothing any more", "registry/merge.go",
		"	case r.kind.isFile() && held.kind == kindDir:\n",
		"	case false:\n"},
	{"marks are believed beyond gaps", "registry/author.go",
		"	if s.from > a.have {\n		a.islands = addSpan(a.islands, s)\n		return\n	}\n",
		""},
	{"nothing is repaired", "registry/replica.go",
		"		if from, wanted := a.wants(m, listed); wanted && !p.full() {\n",
		"		if from, wanted := a.wants(m, listed); wanted && !p.full() && a == s.self && false {\n"},
	{"records of others are no events here", "registry/merge.go",
		"	s.yieldLocked(now, node, at.node)\n	s.publishLocked(e, silent)\n",
		"	s.yieldLocked(now, node, at.node)\n	s.publishLocked(e, silent || true)\n"},
	{"a clock that is ahead takes the others along and wins for ever", "registry/clock.go",
		"	stamp := max(c.last, floor+1)\n",
		"	stamp := c.last\n"},
}

// replicationTests are the tests that must fail, the quick one first.
var replicationTests = [][]string{
	{"./registry", "-run", "TestJoin|TestLease|TestReset|TestMerge", "-count=1", "-rapid.checks=3000", "-rapid.nofailfile"},
	{"./cmd/registry", "-run", "TestSimulation", "-count=1", "-failfast", "-sim.seeds=300"},
}

func main() {
	only := strings.Join(os.Args[1:], " ")
	dir, err := os.MkdirTemp("", "mutants")
	check(err)
	defer os.RemoveAll(dir)
	run, caught := 0, 0
	for _, group := range []struct {
		mutants []mutant
		tests   [][]string
	}{
		{mutants, replicationTests},
		{commandMutants, commandTests},
	} {
		for _, m := range group.mutants {
			if strings.Contains(m.name, only) {
				run++
				caught += m.try(dir, group.tests)
			}
		}
	}
	fmt.Printf("%d of %d mutants caught\n", caught, run)
	if caught < run || run == 0 {
		os.RemoveAll(dir)
		os.Exit(1)
	}
}

// try prints what came of a mutant, and returns 1 when it was caught.
func (m mutant) try(dir string, tests [][]string) int {
	start, overlay := time.Now(), m.write(dir)
	verdict, caught := "LIVES", 0
	for _, args := range tests {
		if by, failed := killed(overlay, args); failed {
			verdict, caught = "caught by "+by, 1
			break
		}
	}
	fmt.Printf("%-70s %s (%v)\n", m.name, verdict, time.Since(start).Round(time.Second))
	return caught
}

// write lays the broken file over the real one and returns the overlay's description.
func (m mutant) write(dir string) string {
	source, err := os.ReadFile(m.file)
	check(err)
	if n := strings.Count(string(source), m.old); n != 1 {
		check(fmt.Errorf("%s: what the mutant %q replaces is there %d times", m.file, m.name, n))
	}
	broken := filepath.Join(dir, "broken.go")
	check(os.WriteFile(broken, []byte(strings.Replace(string(source), m.old, m.new, 1)), 0o600))
	real, err := filepath.Abs(m.file)
	check(err)
	text, err := json.Marshal(map[string]map[string]string{"Replace": {real: broken}})
	check(err)
	overlay := filepath.Join(dir, "overlay.json")
	check(os.WriteFile(overlay, text, 0o600))
	return overlay
}

// failedTest finds the tests that failed.
var failedTest = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// killed tells whether the tests fail, and which. A mutant that does not compile is a mistake here.
func killed(overlay string, args []string) (by string, failed bool) {
	cmd := exec.Command("go", append([]string{"test", "-overlay", overlay, "-timeout=5m"}, args...)...)
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "[build failed]") || strings.Contains(string(out), "[setup failed]") {
		check(fmt.Errorf("the mutant does not compile:\n%s", out))
	}
	names := []string{args[0]}
	for _, found := range failedTest.FindAllStringSubmatch(string(out), -1) {
		names = append(names, found[1])
	}
	return strings.Join(names, " "), err != nil
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}
