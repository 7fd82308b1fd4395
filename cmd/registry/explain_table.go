package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"rollcall/lbsync"
)

func newLbsyncStatusCommand(app *cli) *cobra.Command {
	var flags statusFlags
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the services and balancers of a running lbsync",
		Long: `Show the services of a running lbsync with their hosts by verdict, and its balancers with
what they run.`,
		Args: keyArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			status, err := flags.status(cmd.Context(), cmd)
			if err != nil {
				return err
			}
			if flags.output == outputJSON {
				return printJSON(app.stdout, status)
			}
			return printStatus(app.stdout, status)
		},
	}
	flags.register(cmd.Flags())
	flags.registerOutput(cmd.Flags())
	return cmd
}

// shownVerdicts are the columns of the table of services.
var shownVerdicts = []lbsync.Verdict{
	lbsync.VerdictIn, lbsync.VerdictHeld, lbsync.VerdictDraining, lbsync.VerdictDown,
	lbsync.VerdictDamped, lbsync.VerdictRejected, lbsync.VerdictOut, lbsync.VerdictFallback,
}

// printStatus prints two tables: services and balancers.
func printStatus(w io.Writer, status lbsync.Status) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "SERVICE\tPREFIX")
	for _, v := range shownVerdicts {
		fmt.Fprint(table, "\t", strings.ToUpper(string(v)))
	}
	fmt.Fprintln(table, "\tREGISTRY\tNOTE")
	for _, s := range status.Services {
		fmt.Fprintf(table, "%s\t%s", s.Name, printable(s.Prefix))
		counts := map[lbsync.Verdict]int{}
		for _, h := range s.Hosts {
			counts[h.Verdict]++
		}
		for _, v := range shownVerdicts {
			fmt.Fprintf(table, "\t%d", counts[v])
		}
		fmt.Fprintf(table, "\t%s\t%s\n", registryWords(status, s), dash(s.Preserving))
	}
	fmt.Fprintln(table)
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(table, "KIND\tCONFIG\tSERVICES\tSERVERS\tRUNS\tSTATE")
	for _, t := range status.Targets {
		servers := "-"
		if t.Servers != nil {
			servers = strconv.Itoa(len(t.Servers))
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n",
			t.Kind, printable(t.Config), joined(t.Services), servers, dash(t.Applied), syncWords(status, t))
	}
	return table.Flush()
}

func registryWords(status lbsync.Status, s lbsync.ServiceStatus) string {
	switch {
	case s.LastContact.IsZero():
		return "never answered"
	case !s.Reachable:
		return "away for " + age(status.Time, s.LastContact)
	}
	return "ok"
}

// syncWords says whether a balancer runs what it should, and if not, why.
func syncWords(status lbsync.Status, t lbsync.TargetStatus) string {
	if t.InSync {
		return "in sync for " + age(status.Time, t.Since)
	}
	words := "not in sync"
	if !t.Since.IsZero() {
		words += " for " + age(status.Time, t.Since)
	}
	if t.Error == "" {
		return words
	}
	words += ": "
	if t.Step != "" {
		words += string(t.Step) + ": "
	}
	return words + firstLine([]byte(t.Error))
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return printable(s)
}
