package lbsync

import "time"

const (
	// defaultMaxLoss is Eureka's self-preservation threshold: 85 % of the renewals must come.
	defaultMaxLoss    = 0.15
	defaultLossWindow = 30 * time.Second
	defaultMaxHold    = 10 * time.Minute
	defaultBadGrace   = time.Minute
)

// policy returns what the configuration says about losses, with the defaults filled in.
func (s Service) policy() policy {
	p := policy{
		maxLoss: defaultMaxLoss, lossWindow: defaultLossWindow, maxHold: defaultMaxHold, badGrace: defaultBadGrace,
		minServers: s.MinServers, onEmpty: s.OnEmpty, damping: s.Damping == nil || *s.Damping, probe: s.Probe != "none",
	}
	if s.MaxLoss != nil {
		p.maxLoss = float64(*s.MaxLoss)
	}
	if s.LossWindow > 0 {
		p.lossWindow = time.Duration(s.LossWindow)
	}
	if s.MaxHold != nil {
		p.maxHold = time.Duration(*s.MaxHold)
	}
	if s.BadGrace != nil {
		p.badGrace = time.Duration(*s.BadGrace)
	}
	if p.onEmpty == "" {
		p.onEmpty = OnEmptyKeep
	}
	for _, value := range s.Fallback {
		// The configuration's check has seen to it that each is a server.
		if server, err := ParseValue(value, s.Port); err == nil && server.Host == "" {
			p.fallback = append(p.fallback, server)
		}
	}
	return p
}
