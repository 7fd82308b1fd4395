package haproxy

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	// masterTimeout is how long a reload may take in all: HAProxy tries for 2 s to bind an address that is taken, and
	// answers from 2.7 on only when the new worker is there.
	masterTimeout = 10 * time.Second
	// masterInterval is how often the master is asked meanwhile. It refuses connections for 50 to 500 ms while it
	// executes itself anew.
	masterInterval = 10 * time.Millisecond

	askProcesses = "show proc"
	askReload    = "reload"
)

// processes is what the master says of its processes.
type processes struct {
	// reloads counts those since the start, failed those in a row that have failed (from HAProxy 2.5 on).
	reloads, failed int
	// workers are the processes that serve, old those that finish.
	workers, old []process
}

type process struct {
	pid, reloads int
}

// fresh returns the worker that came up with the latest reload.
func (p processes) fresh() (process, bool) {
	for _, w := range p.workers {
		if w.reloads == 0 {
			return w, true
		}
	}
	return process{}, false
}

var (
	columnNames = regexp.MustCompile(`<[^>]+>`)
	failedNote  = regexp.MustCompile(` \[failed: (\d+)\]`)
	// wasNote stands in the column of old workers' relative process ids in HAProxy 2.4.
	wasNote = regexp.MustCompile(`\[was: \d+\]`)
)

// parseProcesses reads show proc. HAProxy 2.4 has a column more than 2.5 and later.
func parseProcesses(reply string) (processes, error) {
	header, body, _ := strings.Cut(reply, "\n")
	columns := columnNames.FindAllString(header, -1)
	if !strings.HasPrefix(header, "#<PID>") || !strings.HasSuffix(reply, "\n\n") {
		return processes{}, &replyError{command: askProcesses, reply: reply}
	}
	var p processes
	section, master := "", false
	for row := range strings.Lines(body) {
		if name, ok := strings.CutPrefix(row, "# "); ok {
			section = strings.TrimSpace(name)
			continue
		}
		if strings.TrimSpace(row) == "" || section == "programs" {
			continue
		}
		one, kind, err := parseProcess(row, columns)
		if err != nil {
			return processes{}, &replyError{command: askProcesses, reply: reply}
		}
		switch {
		case kind == "master":
			master = true
			p.reloads, p.failed = one.reloads, failures(row)
		case section == "workers":
			p.workers = append(p.workers, one)
		case section == "old workers":
			p.old = append(p.old, one)
		}
	}
	if !master {
		return processes{}, &replyError{command: askProcesses, reply: reply}
	}
	return p, nil
}

func parseProcess(row string, columns []string) (p process, kind string, err error) {
	fields := strings.Fields(wasNote.ReplaceAllString(failedNote.ReplaceAllString(row, ""), "0"))
	if len(fields) < len(columns) {
		return p, "", errors.New("too few columns")
	}
	for i, name := range columns {
		switch name {
		case "<PID>":
			p.pid, err = strconv.Atoi(fields[i])
		case "<type>":
			kind = fields[i]
		case "<reloads>":
			p.reloads, err = strconv.Atoi(fields[i])
		}
		if err != nil {
			return p, "", err
		}
	}
	return p, kind, nil
}

func failures(row string) int {
	found := failedNote.FindStringSubmatch(row)
	if found == nil {
		return 0
	}
	n, _ := strconv.Atoi(found[1]) // Digits.
	return n
}

func askMaster(ctx context.Context, master asker) (processes, error) {
	reply, err := master.ask(ctx, askProcesses)
	if err != nil {
		return processes{}, err
	}
	return parseProcesses(reply)
}

// reloadByMaster has the master load the configuration and returns the new worker's process id. HAProxy from 2.7 on says
// whether it has worked, and why not; before, the table of processes tells.
func reloadByMaster(ctx context.Context, path string) (int, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, masterTimeout, errNoWorker)
	defer cancel()
	master, patient := socket{path, commandTimeout}, socket{path, masterTimeout}
	before, err := awaitMaster(ctx, master)
	if err != nil {
		return 0, fmt.Errorf("HAProxy's master: %w", err)
	}
	// Without an answer, as when the connection breaks off, the table tells.
	reply, _ := patient.ask(ctx, askReload)
	if err := parseReload(reply); err != nil {
		return 0, err
	}
	return awaitReload(ctx, master, before.reloads)
}

// awaitMaster asks the master before a reload. It may be executing itself anew, after its start or an earlier reload.
func awaitMaster(ctx context.Context, master asker) (processes, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	tick := time.NewTicker(masterInterval)
	defer tick.Stop()
	for {
		now, err := askMaster(ctx, master)
		if !errors.Is(err, errNotRunning) {
			return now, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return processes{}, err
		}
	}
}

// parseReload reads the answer to reload: nothing up to HAProxy 2.6, then "Success=1" or "Success=0" with the start's
// messages below "--".
func parseReload(reply string) error {
	verdict, words, _ := strings.Cut(reply, "\n")
	switch {
	case strings.TrimSpace(reply) == "" || verdict == "Success=1":
		return nil
	case verdict == "Success=0":
		return fmt.Errorf("HAProxy has not loaded the configuration: %s", shorten(strings.TrimPrefix(words, "--\n")))
	default:
		return &replyError{command: askReload, reply: reply}
	}
}

// awaitReload waits until the master counts one reload more. That it cannot be reached for a moment is normal.
func awaitReload(ctx context.Context, master asker, before int) (int, error) {
	tick := time.NewTicker(masterInterval)
	defer tick.Stop()
	for {
		now, err := askMaster(ctx, master)
		if err == nil && now.reloads != before {
			if now.failed > 0 {
				return 0, fmt.Errorf("HAProxy has not loaded the configuration: %d reloads in a row have failed", now.failed)
			}
			if w, ok := now.fresh(); ok {
				return w.pid, nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, errors.Join(context.Cause(ctx), err)
		}
	}
}

// A worker is one worker behind the master's socket, as an asker.
type worker struct {
	master asker
	pid    int
}

func (w worker) ask(ctx context.Context, command string) (string, error) {
	return w.master.ask(ctx, fmt.Sprintf("@!%d %s", w.pid, command))
}
