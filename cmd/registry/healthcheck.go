package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// defaultHealthTimeout is below the time-outs that containers have for such a check.
const defaultHealthTimeout = 2 * time.Second

// maxHealthAnswer is more than any list of checks needs.
const maxHealthAnswer = 4 << 10

// healthcheck asks a node of this machine how it is.
type healthcheck struct {
	url     string
	timeout time.Duration
}

func newHealthcheckCommand(app *cli) *cobra.Command {
	var h healthcheck
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask a node or an lbsync of this machine whether it is well",
		Long: `Ask a node or an lbsync of this machine whether it is well: the exit code is 0 if the
answer is 200 within the time, else 1. For containers, which have no curl.

/livez tells whether the process works, /readyz whether it also answers for keys. The
certificate of an https URL is not verified, since only the state of a process of this
machine is asked for; nor does a node with a client CA ask for one there.`,
		Args: keyArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := h.validate(); err != nil {
				return &usageError{cmd: cmd, err: err}
			}
			return h.run(cmd.Context(), app.stdout)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&h.url, "url", "http://127.0.0.1:4001/livez", "what to ask")
	flags.DurationVar(&h.timeout, "timeout", defaultHealthTimeout, "time for the whole of it")
	return cmd
}

func (h *healthcheck) validate() error {
	u, err := url.Parse(h.url)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("--url %q: must be a URL such as http://127.0.0.1:4001/readyz", h.url)
	}
	if h.timeout <= 0 {
		return fmt.Errorf("--timeout %v: must be more than 0", h.timeout)
	}
	return nil
}

// run prints the answer. Any other than 200 is an error.
func (h *healthcheck) run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url, nil)
	if err != nil {
		return err
	}
	resp, err := localClient().Do(req)
	if err != nil {
		return &codeError{code: exitFailure, err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxHealthAnswer))
	text := strings.TrimSpace(string(body))
	if resp.StatusCode != http.StatusOK {
		return &codeError{code: exitFailure, err: fmt.Errorf("%s: %s: %s", h.url, resp.Status, cmp.Or(text, "no reason given"))}
	}
	if err != nil {
		return &codeError{code: exitFailure, err: fmt.Errorf("%s: %w", h.url, err)}
	}
	_, err = fmt.Fprintln(out, text)
	return err
}

// localClient asks the machine itself: no proxy, and a redirect is an answer other than 200.
func localClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
