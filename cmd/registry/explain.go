package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"rollcall/lbsync"
)

func newExplainCommand(app *cli) *cobra.Command {
	var flags statusFlags
	cmd := &cobra.Command{
		Use:   "explain HOST",
		Short: "Say why a host is in a pool or not, and what each balancer does with it",
		Long: `Say for each service that knows the host why it is in, held, draining, down, damped,
rejected or out, and since when, and what each balancer does with it. HOST is an IP, an
IP:PORT or a key. It is an error when no service and no balancer knows it.`,
		Args: hostArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			status, err := flags.status(cmd.Context(), cmd)
			if err != nil {
				return err
			}
			found := explain(status, args[0])
			if len(found) == 0 {
				return fmt.Errorf("%s: no service and no balancer of this lbsync knows it", args[0])
			}
			if flags.output == outputJSON {
				return printJSON(app.stdout, found)
			}
			return printExplanations(app.stdout, status.Time, found)
		},
	}
	flags.register(cmd.Flags())
	flags.registerOutput(cmd.Flags())
	return cmd
}

func hostArg(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return &usageError{cmd: cmd, err: errors.New("host required: IP, IP:PORT or key")}
	case len(args) > 1:
		return &usageError{cmd: cmd, err: fmt.Errorf("unexpected argument %q", args[1])}
	}
	return nil
}

// explanation is what is known of one host of one service.
type explanation struct {
	Service string `json:"service"`
	// Key is absolute. It is empty for a host without an entry.
	Key  string         `json:"key,omitempty"`
	Addr netip.AddrPort `json:"addr,omitzero"`
	// Verdict is empty for a host that a balancer has and the service does not know.
	Verdict lbsync.Verdict `json:"verdict,omitempty"`
	Reason  string         `json:"reason"`
	Since   time.Time      `json:"since,omitzero"`
	Until   time.Time      `json:"until,omitzero"`
	// Notes are what is to be known of the service as a whole.
	Notes     []string     `json:"notes,omitempty"`
	Balancers []balancerOf `json:"balancers"`
}

// balancerOf is what one balancer does with a host.
type balancerOf struct {
	Kind   string `json:"kind"`
	Config string `json:"config"`
	// Server is nil when the balancer does not have the host, or does not tell: then Silent is true.
	Server *lbsync.ServedStatus `json:"server,omitempty"`
	Silent bool                 `json:"silent,omitempty"`
	InSync bool                 `json:"in_sync"`
	State  string               `json:"state"`
}

// explain collects what the status says about a host, by service and address.
func explain(status lbsync.Status, host string) []explanation {
	var found []explanation
	for _, s := range status.Services {
		known := map[netip.AddrPort]bool{}
		for _, h := range s.Hosts {
			known[h.Addr] = true
			if isHost(s, h, host) {
				found = append(found, explainHost(status, s, h))
			}
		}
		for _, addr := range servedOnly(status, s.Name, known) {
			if isAddr(addr, host) {
				found = append(found, explainHost(status, s, lbsync.HostStatus{
					Addr: addr, Reason: "the service does not know it; a balancer still has it",
				}))
			}
		}
	}
	return found
}

// servedOnly lists the addresses that some balancer has in a service and that are not known there, sorted.
func servedOnly(status lbsync.Status, service string, known map[netip.AddrPort]bool) []netip.AddrPort {
	var out []netip.AddrPort
	for _, t := range status.Targets {
		for _, served := range t.Servers {
			if served.Service == service && !known[served.Addr] {
				out = append(out, served.Addr)
			}
		}
	}
	slices.SortFunc(out, netip.AddrPort.Compare)
	return slices.Compact(out)
}

// isHost tells whether a host goes by that name: its key, absolute or below the prefix, or its address.
func isHost(s lbsync.ServiceStatus, h lbsync.HostStatus, name string) bool {
	if h.Key != "" && (name == h.Key || name == absoluteKey(s.Prefix, h.Key)) {
		return true
	}
	return isAddr(h.Addr, name)
}

// isAddr tells whether name is an address, with or without its port.
func isAddr(addr netip.AddrPort, name string) bool {
	if !addr.IsValid() {
		return false
	}
	if want, err := netip.ParseAddrPort(name); err == nil {
		return addr == netip.AddrPortFrom(want.Addr().Unmap(), want.Port())
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && addr.Addr() == ip.Unmap()
}

func absoluteKey(prefix, key string) string {
	if key == "" {
		return ""
	}
	return strings.TrimSuffix(prefix, "/") + "/" + key
}

func explainHost(status lbsync.Status, s lbsync.ServiceStatus, h lbsync.HostStatus) explanation {
	e := explanation{
		Service: s.Name, Key: absoluteKey(s.Prefix, h.Key), Addr: h.Addr,
		Verdict: h.Verdict, Reason: h.Reason, Since: h.Since, Until: h.Until,
	}
	if words := registryWords(status, s); words != "ok" {
		e.Notes = append(e.Notes, "the registry: "+words)
	}
	if s.Preserving != "" {
		e.Notes = append(e.Notes, "hosts are held: "+s.Preserving)
	}
	for _, t := range status.Targets {
		if serves(t, s.Name) {
			e.Balancers = append(e.Balancers, explainTarget(status, t, s.Name, h.Addr))
		}
	}
	return e
}

func explainTarget(status lbsync.Status, t lbsync.TargetStatus, service string, addr netip.AddrPort) balancerOf {
	b := balancerOf{
		Kind: t.Kind, Config: t.Config, Silent: t.Servers == nil,
		InSync: t.InSync, State: syncWords(status, t),
	}
	for _, served := range t.Servers {
		if served.Service == service && served.Addr == addr {
			b.Server = &served
		}
	}
	return b
}

// words says what a balancer does with a host.
func (b balancerOf) words() string {
	switch {
	case b.Silent:
		return "does not tell; serves what its file says"
	case b.Server == nil:
		return "does not have it"
	}
	state := string(b.Server.State)
	if b.Server.Leaving {
		state = lbsync.ReportLeaving
	}
	return fmt.Sprintf("%s, %s, health %s", state, plural(b.Server.Sessions, "session"), cmp.Or(b.Server.Health, "unknown"))
}

func plural(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return fmt.Sprintf("%d %s", n, word)
}

// printExplanations prints a block for each service.
func printExplanations(w io.Writer, now time.Time, found []explanation) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, e := range found {
		if i > 0 {
			fmt.Fprintln(table)
		}
		printExplanation(table, now, e)
	}
	return table.Flush()
}

func printExplanation(w io.Writer, now time.Time, e explanation) {
	name := e.Key
	if e.Addr.IsValid() {
		name = e.Addr.String()
	}
	fmt.Fprintf(w, "%s in %s: %s\n", printable(name), e.Service, cmp.Or(string(e.Verdict), "unknown"))
	row := func(label, text string) { fmt.Fprintf(w, "  %s\t%s\n", label, printable(text)) }
	row("key", dash(e.Key))
	row("why", dash(e.Reason))
	if !e.Since.IsZero() {
		row("since", fmt.Sprintf("%s ago (%s)", age(now, e.Since), e.Since.UTC().Format(time.RFC3339)))
	}
	if !e.Until.IsZero() {
		row("until", fmt.Sprintf("in %s (%s)", span(e.Until.Sub(now)), e.Until.UTC().Format(time.RFC3339)))
	}
	for _, note := range e.Notes {
		row("note", note)
	}
	for _, b := range e.Balancers {
		row(b.Kind, fmt.Sprintf("%s: %s; %s", b.Config, b.words(), b.State))
	}
}

func printJSON(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("output: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}
