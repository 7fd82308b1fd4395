package lbsync

import (
	"context"
	"errors"
	"fmt"
)

// A Preview is what a round would make of one target.
type Preview struct {
	// Config is the path of the file and Kind the balancer, "haproxy" or "nginx".
	Config, Kind string
	// Before is the file as it is, nil for none; After is what would be written.
	Before, After []byte
	// Plan is what would be done to the running balancer. PlanErr is why that cannot be told.
	Plan    Plan
	PlanErr error
}

// DryRun lists every prefix once and returns what Once would make of every target, in the order of the configuration. It
// changes nothing: neither on the disk, nor in a balancer, nor in the registry. What went wrong is the error, beside the
// previews of the other targets. A Syncer is used for a single DryRun, and for nothing else.
func (s *Syncer) DryRun(ctx context.Context) ([]Preview, error) {
	for _, t := range s.targets {
		t.recall()
	}
	errs := s.listAll(ctx)
	var previews []Preview
	for _, t := range s.targets {
		p, err := t.preview(ctx)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", t.conf.Config, err))
			continue
		}
		previews = append(previews, p)
	}
	return previews, errors.Join(append(errs, ctx.Err())...)
}

// errNothingKnown is what a target is shown for when the registry has answered for none of its services.
var errNothingKnown = errors.New("nothing is known of its services, nothing would be written")

// preview does what build and render do, and asks the driver what would come next.
func (t *target) preview(ctx context.Context) (Preview, error) {
	snapshots, known := t.collect()
	if known == 0 {
		return Preview{}, errNothingKnown
	}
	pools := t.poolsOf(snapshots)
	if !anyServer(pools) && !mayBeEmpty(snapshots) {
		return Preview{}, ErrNoServers
	}
	after, err := t.conf.Driver.Render(pools)
	if err == nil {
		err = Lint(after)
	}
	if err != nil {
		return Preview{}, err
	}
	before, err := t.file.read()
	if err != nil {
		return Preview{}, err
	}
	p := Preview{Config: t.conf.Config, Kind: t.conf.Driver.Kind(), Before: before, After: after}
	p.Plan, p.PlanErr = t.conf.Driver.Plan(ctx, after)
	return p, nil
}
