package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

// profileFirst takes a CPU profile of the registry during its turn in the first round, if the command line asks for
// profiles. The function it returns waits for the profile.
func (b *bench) profileFirst(ctx context.Context, row string, s *server, round int) (finish func() error) {
	if b.profile == "" || s.name != nameRegistry || round > 0 {
		return func() error { return nil }
	}
	var group errgroup.Group
	group.Go(func() error {
		if err := saveProfile(ctx, s.pprof, b.duration, filepath.Join(b.profile, row+".prof")); err != nil {
			return fmt.Errorf("profile the registry (serve --debug-listen): %w", err)
		}
		return nil
	})
	return group.Wait
}

// saveProfile asks the server for a profile of the time from now on.
func saveProfile(ctx context.Context, addr string, duration time.Duration, path string) error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%.0f", addr, duration.Seconds())
	resp, err := get(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, resp.Body); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}
