package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rollcall/registry/client"
)

func newImportCommand(app *cli) *cobra.Command {
	var flags importFlags
	cmd := &cobra.Command{
		Use:   "import --from URL[,URL]",
		Short: "Copy keys from an etcd, or another server of its v2 API, into the registry",
		Long: `Copy keys from an etcd, or another server of its v2 API, into the registry: directories,
values, and what is left of TTLs. It can be run again and again: what is there stays as it
is, and nothing is removed. A key that has another value here than there is named and left,
unless --overwrite is given; one that has a TTL here and there is never replaced, since its
host speaks for itself.

Listings do not show hidden keys, those with a name that begins with "_": name each hidden
directory with --prefix. Indexes are not copied.

The last two lines are the sums, also when the import cannot go on; "open" are the entries
then that are not known to be written. The exit code is 4 when entries were refused; they
are named.`,
		Example: `  registry import --from http://10.0.9.1:2379,http://10.0.9.2:2379 --dry-run
  registry import --from http://10.0.9.1:2379 --prefix /config --endpoints http://10.0.0.1:4001`,
		Args: keyArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(flags.from) == 0 {
				return &usageError{cmd: cmd, err: errors.New("--from required")}
			}
			return flags.run(cmd.Context(), app)
		},
	}
	flags.register(cmd.Flags())
	return cmd
}

// importFlags are the flags of import: two clients, and what to do.
type importFlags struct {
	keyFlags          // of the registry
	from     []string // URLs of the source
	fromTLS  client.TLSFiles
	prefix   string
	importOptions
}

func (f *importFlags) register(flags *pflag.FlagSet) {
	flags.StringSliceVar(&f.from, "from", nil, "URLs of the source's nodes, in order of preference")
	flags.StringVar(&f.fromTLS.CACert, "from-cacert", "", "PEM file with the authorities to trust for an https source (default the system's)")
	flags.StringVar(&f.fromTLS.Cert, "from-cert", "", "PEM file with the certificate to show a source that asks for one")
	flags.StringVar(&f.fromTLS.Key, "from-key", "", "PEM file with the key of --from-cert")
	flags.StringVar(&f.prefix, "prefix", "/", "the directory, or the key, to copy; it keeps its name")
	flags.BoolVar(&f.dryRun, "dry-run", false, "only compare, and say what would be done")
	flags.BoolVar(&f.overwrite, "overwrite", false, "give keys that differ the source's value, but those with a TTL on both sides")
	flags.StringSliceVar(&f.endpoints, "endpoints", []string{defaultEndpoint}, "URLs of the registry's nodes, in order of preference")
	flags.DurationVar(&f.timeout, "timeout", time.Minute, "time-out of one attempt at one node; all keys are read in one")
	registerClientTLS(flags, &f.tls)
}

// run copies, and prints what differs, what could not be copied, and the sums, also when it could not go on.
func (f *importFlags) run(ctx context.Context, app *cli) error {
	source := keyFlags{endpoints: f.from, timeout: f.timeout, tls: f.fromTLS}
	from, err := source.client(app)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	to, err := f.client(app)
	if err != nil {
		return err
	}
	job := &importJob{to: to, importOptions: f.importOptions}
	if err := job.readSource(ctx, from, f.prefix); err != nil {
		return fmt.Errorf("source: %w", err)
	}
	there, err := readTarget(ctx, to, f.prefix)
	if err != nil {
		return err
	}
	err = job.run(ctx, there)
	if printed := job.print(app.stdout); err != nil || printed != nil {
		return errors.Join(err, printed)
	}
	return job.refused()
}

// print writes a line for each entry that stays different, in their order, and the sums.
func (j *importJob) print(w io.Writer) error {
	count := map[outcomeOf]int{}
	dirs := 0
	for _, item := range j.items {
		count[item.outcome]++
		if item.dir {
			dirs++
		}
		if why := item.why; why != "" {
			if _, err := fmt.Fprintf(w, "%s: %s: %s\n", item.outcome, item.key, why); err != nil {
				return err
			}
		}
	}
	would := ""
	if j.dryRun {
		would = "would be "
	}
	_, err := fmt.Fprintf(w, "read: %d entries, %d of them directories, at index %d\n"+
		"%smade: %d, %sreplaced: %d, same: %d, differ: %d, refused: %d, expired: %d, open: %d\n",
		len(j.items), dirs, j.index, would, count[isMade], would, count[isReplaced],
		count[isSame], count[isDifferent], count[isRefused], count[isExpired], count[isOpen])
	return err
}

// refused is the error for entries that could not be copied.
func (j *importJob) refused() error {
	refused := 0
	for _, item := range j.items {
		if item.outcome == isRefused {
			refused++
		}
	}
	if refused == 0 {
		return nil
	}
	return &codeError{code: exitRefused, err: fmt.Errorf("%d of %d entries cannot be copied", refused, len(j.items))}
}
