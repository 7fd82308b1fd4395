package client

import (
	"context"
	"log/slog"
)

// logFailure notes a node's failure at level debug: it is overcome here, or comes back to the caller as an error.
func (c *Client) logFailure(ctx context.Context, failure error) {
	c.log.LogAttrs(ctx, slog.LevelDebug, "node failed", errAttr(failure))
}

func errAttr(err error) slog.Attr {
	return slog.String("error", err.Error())
}
