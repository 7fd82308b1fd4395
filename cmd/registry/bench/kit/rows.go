package kit

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

// Main runs a benchmark program until it is done or interrupted, and exits with 1 when it fails.
func Main(name string, run func(ctx context.Context, args []string, stdout, stderr io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
}

// A Row is one kind of work of a benchmark B. It adds its figures and its details to the report R.
type Row[B, R any] struct {
	Name string // as -only takes it
	Run  func(ctx context.Context, bench *B, report *R) error
}

// Names lists the names of rows, separated by a comma and a space.
func Names[B, R any](rows []Row[B, R]) string {
	names := make([]string, len(rows))
	for i, r := range rows {
		names[i] = r.Name
	}
	return strings.Join(names, ", ")
}

// Select returns the rows that a -only flag names, all of them for an empty one.
func Select[B, R any](rows []Row[B, R], only string) ([]Row[B, R], error) {
	if only == "" {
		return rows, nil
	}
	byName := map[string]Row[B, R]{}
	for _, r := range rows {
		byName[r.Name] = r
	}
	var chosen []Row[B, R]
	for name := range strings.SplitSeq(only, ",") {
		r, ok := byName[name]
		if !ok {
			return nil, fmt.Errorf("-only: no row is named %q; there are %s", name, Names(rows))
		}
		chosen = append(chosen, r)
	}
	return chosen, nil
}

// Find makes the paths of programs absolute. target is the make target that builds or installs them.
func Find(target string, paths ...*string) error {
	for _, path := range paths {
		found, err := exec.LookPath(*path)
		if err != nil {
			return fmt.Errorf("find a program (%s builds or installs it): %w", target, err)
		}
		if *path, err = filepath.Abs(found); err != nil {
			return err
		}
	}
	return nil
}

// Progress prints one line of progress, kept apart from the report.
func Progress(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(w, "==> "+format+"\n", args...) // Nobody misses a line.
}
