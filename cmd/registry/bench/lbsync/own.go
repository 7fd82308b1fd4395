package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// An ownTime is lbsync's own account of one kind of balancer: how many changes it was seen to serve, and how long they took
// in all, each from its event to the balancer's word.
type ownTime struct {
	count int
	sum   time.Duration
}

// readOwn asks lbsync for its own accounts.
func (r *rig) readOwn(ctx context.Context) (map[string]ownTime, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.listen+"/metrics", http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // It has been read.
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return parseOwn(string(text))
}

// parseOwn reads the sums and counts of the histogram of changes.
func parseOwn(text string) (map[string]ownTime, error) {
	const name = "rollcall_lbsync_change_seconds_"
	own := map[string]ownTime{}
	for line := range strings.Lines(text) {
		for _, kind := range []string{kindHAProxy, kindNginx} {
			rest, isSum := strings.CutPrefix(line, name+`sum{kind="`+kind+`"} `)
			if !isSum {
				var isCount bool
				if rest, isCount = strings.CutPrefix(line, name+`count{kind="`+kind+`"} `); !isCount {
					continue
				}
			}
			value, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				return nil, fmt.Errorf("lbsync's metrics: %w", err)
			}
			o := own[kind]
			if isSum {
				o.sum = time.Duration(value * float64(time.Second))
			} else {
				o.count = int(value)
			}
			own[kind] = o
		}
	}
	if len(own) != 2 {
		return nil, fmt.Errorf("lbsync's metrics tell of %d kinds of balancers, not of 2", len(own))
	}
	return own, nil
}

// ownSince waits until lbsync has counted one change more for a kind, and returns how long that took by its account.
func (r *rig) ownSince(ctx context.Context, before map[string]ownTime, kind string) (time.Duration, error) {
	var took time.Duration
	err := pollUntil(ctx, 50*time.Millisecond, largeLimit, "lbsync's account of "+kind, func() (bool, error) {
		now, err := r.readOwn(ctx)
		if err != nil {
			return false, err
		}
		took = now[kind].sum - before[kind].sum
		return now[kind].count > before[kind].count, nil
	})
	return took, err
}
