package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// maxAnswer bounds what is read of an answer, in bytes: far above any listing, below what would hurt this process.
const maxAnswer = 256 << 20

// nodeError is a failure of one node, as opposed to its answer.
type nodeError struct {
	endpoint endpoint
	err      error
	// sent is true when the node may have received the request, and may have done it.
	sent bool
}

func (e *nodeError) Error() string { return fmt.Sprintf("%s: %v", e.endpoint, e.err) }
func (e *nodeError) Unwrap() error { return e.err }

// do sends a request to the nodes in turn until one answers, an answer is lost that matters, or all rounds are over.
func (c *Client) do(ctx context.Context, r request) (*Response, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var failures []error
	for round := range c.rounds {
		if round > 0 {
			if err := sleep(ctx, pause(round)); err != nil {
				return nil, fmt.Errorf("%w: %w", err, &UnavailableError{Failures: failures})
			}
		}
		var resp *Response
		var err error
		if resp, failures, err = c.doRound(ctx, r); failures == nil {
			return resp, err
		}
	}
	return nil, &UnavailableError{Failures: failures}
}

// doRound tries each node once. It returns failures only when all of them have failed.
func (c *Client) doRound(ctx context.Context, r request) (_ *Response, failures []error, _ error) {
	attempt := c.attempt
	if r.attempt != nil {
		attempt = r.attempt
	}
	place := c.nodes.first()
	for range c.nodes.all {
		resp, err := attempt(ctx, c.nodes.all[place], r)
		failed, isFailure := errors.AsType[*nodeError](err)
		switch {
		case !isFailure:
			c.nodes.prefer(place)
			return resp, nil, err
		case failed.sent && !r.repeatable:
			c.nodes.leave(place)
			return nil, nil, &OutcomeUnknownError{Endpoint: failed.endpoint.String(), Err: failed.err}
		case ctx.Err() != nil:
			return nil, nil, fmt.Errorf("%s: %w", failed.endpoint, ctx.Err())
		}
		c.logFailure(ctx, failed)
		c.nodes.leave(place)
		place = c.nodes.after(place)
		failures = append(failures, failed)
	}
	return nil, failures, nil
}

// attempt sends a request to one node, within the time-out of one attempt.
func (c *Client) attempt(ctx context.Context, e endpoint, r request) (*Response, error) {
	timeout := c.timeout
	if r.timeout > 0 {
		timeout = r.timeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %v", timeout))
	defer cancel()
	answer, err := c.send(ctx, e, r)
	if err != nil {
		return nil, err
	}
	defer closeBody(answer)
	if r.decode == nil {
		r.decode = decode
	}
	return readAnswer(ctx, e, answer, r.decode)
}

// send returns a node's answer with the body unread, or a nodeError.
func (c *Client) send(ctx context.Context, e endpoint, r request) (*http.Response, error) {
	req, err := r.build(ctx, e)
	if err != nil {
		return nil, &nodeError{endpoint: e, err: err}
	}
	answer, err := c.http.Do(req)
	if err != nil {
		return nil, &nodeError{endpoint: e, err: reason(ctx, err), sent: !neverSent(err)}
	}
	return answer, nil
}

// reason is why a request failed, without net/http's wrapping: that holds the key, and the node is named already.
func reason(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

func closeBody(answer *http.Response) {
	_ = answer.Body.Close() // All that was wanted has been read.
}

// readAnswer returns what the node says: a Response or an *Error. What is not an answer, or says that the node cannot
// answer now, is a nodeError.
func readAnswer(ctx context.Context, e endpoint, answer *http.Response, decode decoder) (*Response, error) {
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = fmt.Errorf("answer is longer than %d bytes", maxAnswer)
	}
	if err != nil {
		return nil, &nodeError{endpoint: e, err: reason(ctx, err), sent: true}
	}
	resp, err := decode(answer.Header, answer.StatusCode, body)
	if err != nil {
		if _, isAnswer := errors.AsType[*Error](err); isAnswer && answer.StatusCode < 500 {
			return nil, err
		}
		return nil, &nodeError{endpoint: e, err: err, sent: mayBeDone(answer.StatusCode)}
	}
	resp.Endpoint = string(e)
	return resp, nil
}

// mayBeDone tells whether a request may have been done although this status came back. 503 comes from a node that is
// not ready and from a proxy that reached none; any other 5xx, or success with a body that is not understood, may have
// come after the deed.
func mayBeDone(status int) bool {
	return status != http.StatusServiceUnavailable && (status >= 500 || status < 300)
}

// neverSent tells whether a request failed before its first byte left.
func neverSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial" || isRefusedHandshake(err)
}
