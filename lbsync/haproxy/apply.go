package haproxy

import (
	"context"
)

// apply sends a plan's commands. It returns how many changed something, sweeps aside, and why a reload has to finish the work. An
// error means that HAProxy cannot be talked with.
func (p plan) apply(ctx context.Context, a asker, known *memory) (made int, reload []string, err error) {
	for _, c := range p.changes {
		n, refusal, err := c.apply(ctx, a)
		if c.kind != sweep {
			made += n
		}
		if err != nil {
			return made, reload, err
		}
		if refusal == nil {
			known.changed(c)
			continue
		}
		switch {
		case c.kind == add && cannotAdd(refusal.reply):
			known.refuses(c.backend, refusal.reply) // The next plan calls for a reload.
		case c.kind >= remove && busy(refusal.reply):
		default:
			reload = append(reload, refusal.Error())
		}
	}
	return made, reload, nil
}

// apply sends the commands of one change until one is refused.
func (c change) apply(ctx context.Context, a asker) (made int, refusal *replyError, err error) {
	for i, cmd := range c.commands {
		reply, err := a.ask(ctx, cmd.text)
		if err != nil {
			return made, nil, err
		}
		if cmd.want.met(reply) {
			made++
			continue
		}
		if i > 0 && c.undo != "" {
			_, err = a.ask(ctx, c.undo) // The reading back tells what has come of it.
		}
		return made, &replyError{command: cmd.text, reply: reply}, err
	}
	return made, nil, nil
}
