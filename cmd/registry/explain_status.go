package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rollcall/lbsync"
	"rollcall/registry/client"
)

const (
	// defaultStatusURL is where the example of lbsync.yaml has lbsync listen.
	defaultStatusURL = "http://127.0.0.1:4002"
	// statusTimeout is long for a process on the same machine, and short for a person.
	statusTimeout = 5 * time.Second
	// maxStatus is far above the status of ten thousand hosts behind ten balancers.
	maxStatus = 64 << 20
)

// The forms of output.
const (
	outputText = "text"
	outputJSON = "json"
)

// addLbsyncCommands gives `registry lbsync` the subcommands for operators.
func addLbsyncCommands(app *cli, cmd *cobra.Command) *cobra.Command {
	cmd.AddCommand(newLbsyncStatusCommand(app), newExplainCommand(app), newReleaseCommand(app))
	for _, c := range cmd.Commands() {
		c.ValidArgsFunction = cobra.NoFileCompletions
	}
	return cmd
}

// statusFlags are the flags of the commands that ask an lbsync process.
type statusFlags struct {
	url    string
	output string
	tls    client.TLSFiles
}

func (f *statusFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.url, "status", defaultStatusURL, "URL of lbsync: the address of listen in lbsync.yaml, https:// with listen_tls")
	flags.StringVar(&f.tls.CACert, "cacert", "", "PEM file with the authorities to trust for an https lbsync (default the system's)")
	flags.StringVar(&f.tls.Cert, "cert", "", "PEM file with the certificate to show an lbsync that asks for one")
	flags.StringVar(&f.tls.Key, "key", "", "PEM file with the key of --cert")
}

func (f *statusFlags) registerOutput(flags *pflag.FlagSet) {
	flags.StringVar(&f.output, "output", outputText, "text or json")
}

// status asks lbsync for its status.
func (f *statusFlags) status(ctx context.Context, cmd *cobra.Command) (lbsync.Status, error) {
	var status lbsync.Status
	if f.output != outputText && f.output != outputJSON {
		return status, &usageError{cmd: cmd, err: fmt.Errorf("--output %q: must be text or json", f.output)}
	}
	err := f.ask(ctx, http.MethodGet, "/status", &status)
	return status, err
}

// ask sends a request to lbsync and reads the answer's JSON into v.
func (f *statusFlags) ask(ctx context.Context, method, path string, v any) error {
	base := f.url
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(base, "/")+path, http.NoBody)
	if err != nil {
		return fmt.Errorf("--status: %w", err)
	}
	conf, err := f.tls.Config()
	if err != nil {
		return err
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return notAnswering(base, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxStatus))
	switch {
	case err != nil:
		return notAnswering(base, err)
	case resp.StatusCode == http.StatusBadRequest && string(body) == plainToTLS:
		return &codeError{exitUnavailable, fmt.Errorf("lbsync at %s speaks TLS, use https://", base)}
	case resp.StatusCode != http.StatusOK:
		return &codeError{exitRefused, fmt.Errorf("lbsync at %s: %s", base, cmp.Or(firstLine(body), resp.Status))}
	}
	if err := json.Unmarshal(body, v); err != nil {
		return &codeError{exitUnavailable, fmt.Errorf("%s is not an lbsync with a status: %w", base, err)}
	}
	return nil
}

// plainToTLS is what net/http answers to plain HTTP on a port with TLS.
const plainToTLS = "Client sent an HTTP request to an HTTPS server.\n"

// notAnswering leaves out the request's own URL, which the message has already; an interrupt stays one. Where
// something does answer, and only TLS is not agreed upon, it says no more than that.
func notAnswering(base string, err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	if untrusted || errors.Is(err, http.ErrSchemeMismatch) {
		return &codeError{exitUnavailable, fmt.Errorf("lbsync at %s: %w", base, err)}
	}
	return &codeError{exitUnavailable, fmt.Errorf("lbsync does not answer at %s: %w; does its lbsync.yaml have listen?", base, err)}
}

// firstLine is the first line of a text, without what a terminal could take for a command.
func firstLine(text []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return printable(line)
}

// printable replaces control characters: keys and messages come from elsewhere.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

// serves tells whether a target has a service.
func serves(t lbsync.TargetStatus, service string) bool { return slices.Contains(t.Services, service) }

// span is a time for people: 12s, 5m, 3h, 4d.
func span(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// age is how long ago t was; "?" when that is not known.
func age(now, t time.Time) string {
	if t.IsZero() {
		return "?"
	}
	return span(now.Sub(t))
}
