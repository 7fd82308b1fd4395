package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// backupSilence is how long a node may send nothing of a backup before it counts as failed.
const backupSilence = 30 * time.Second

// Backup is a backup on its way from a node. Its bytes have to be looked at: a stream that has ended well need not be
// whole.
type Backup struct {
	Endpoint string // The URL of the node that it comes from.

	body   io.ReadCloser
	cancel context.CancelFunc
	silent *time.Timer       // Runs while a Read waits.
	why    func(error) error // Says why a Read has failed.
}

// Backup asks a node for a backup of all that the cluster holds. The caller closes it.
func (c *Client) Backup(ctx context.Context) (*Backup, error) {
	var b *Backup
	_, err := c.do(ctx, request{
		method: http.MethodGet, path: "/v1/backup", repeatable: true,
		attempt: func(ctx context.Context, e endpoint, r request) (_ *Response, err error) {
			b, err = c.openBackup(ctx, e, r)
			return nil, err
		},
	})
	return b, err
}

// errNoBackups is what a node answers with that has never heard of backups.
var errNoBackups = errors.New("no registry node, or one that is too old for backups")

// openBackup waits for the headers within the time-out of a request. The rest may take as long as it takes.
func (c *Client) openBackup(ctx context.Context, e endpoint, r request) (*Backup, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	give := func() { cancel(nil) }
	timer := time.AfterFunc(c.timeout, func() { cancel(fmt.Errorf("no answer within %v", c.timeout)) })
	answer, err := c.send(ctx, e, r)
	timer.Stop()
	if err != nil {
		give()
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		defer give()
		defer closeBody(answer)
		return nil, noBackup(ctx, e, answer)
	}
	silent := time.AfterFunc(backupSilence, func() { cancel(fmt.Errorf("nothing came for %v", backupSilence)) })
	silent.Stop()
	return &Backup{
		Endpoint: string(e), body: answer.Body, cancel: give, silent: silent,
		why: func(err error) error { return fmt.Errorf("%s: %w", e, reason(ctx, err)) },
	}, nil
}

// noBackup is the error of an answer that is none.
func noBackup(ctx context.Context, e endpoint, answer *http.Response) error {
	if answer.StatusCode == http.StatusNotFound {
		return &nodeError{endpoint: e, err: errNoBackups}
	}
	_, err := readAnswer(ctx, e, answer, func(_ http.Header, status int, body []byte) (*Response, error) {
		return nil, decodeError(status, body)
	})
	return err
}

// Read fails when nothing has come for 30 seconds.
func (b *Backup) Read(p []byte) (int, error) {
	b.silent.Reset(backupSilence)
	defer b.silent.Stop()
	n, err := b.body.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.why(err)
	}
	return n, err
}

// Close ends the download.
func (b *Backup) Close() error {
	b.cancel()
	return b.body.Close()
}
