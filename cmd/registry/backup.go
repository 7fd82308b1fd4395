package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rollcall/registry/backup"
	"rollcall/registry/client"
)

func newBackupCommand(app *cli) *cobra.Command {
	var flags backupFlags
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a backup of all that the cluster holds to a file",
		Long: `Write a backup of all that a node holds, which is what the cluster holds, to a file. It
shows one moment; the node goes on serving meanwhile.

What comes is verified before the file gets its name: until then it is FILE.partial, and a
FILE of before stays. It can be read by its owner alone, since values may be secrets. With
- for FILE the backup goes to standard output and the summary to standard error; the exit
code tells whether it is whole. "registry restore" makes a data directory from it.

With --keep N FILE is a directory: the backup gets a name with the time in it, and when it is
whole the oldest of such names are removed until N are left.`,
		Example: `  registry backup --endpoints http://10.0.0.1:4001,http://10.0.0.2:4001 /var/backups/rollcall
  registry backup --keep 7 /var/backups
  registry backup - | age -r age1... >rollcall.age`,
		Args: fileArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			began := time.Now()
			if err := flags.validate(args[0]); err != nil {
				return &usageError{cmd: cmd, err: err}
			}
			b, err := flags.open(cmd.Context(), app)
			if err != nil {
				return err
			}
			defer b.Close()
			if flags.keep > 0 {
				return flags.receiveKept(app, b, args[0], began)
			}
			to, show := app.stderr, args[0]
			var sum backup.Summary
			if args[0] == "-" {
				show = "standard output"
				sum, err = receive(b, app.stdout)
			} else {
				to = app.stdout
				sum, err = receiveFile(b, args[0])
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(to, "%s: %s, from %s in %v\n", show, describe(sum), b.Endpoint, time.Since(began).Round(time.Millisecond))
			return err
		},
	}
	flags.register(cmd.Flags())
	cmd.ValidArgsFunction = oneFile
	return cmd
}

// backupFlags are the flags of keyFlags that suit a download.
type backupFlags struct {
	keyFlags
	keep int // backups in a directory; 0 makes one file
}

func (f *backupFlags) validate(file string) error {
	switch {
	case f.keep < 0:
		return fmt.Errorf("--keep %d: must be 1 or more", f.keep)
	case f.keep > 0 && file == "-":
		return errors.New("--keep: needs a directory, and - is standard output")
	}
	return nil
}

func (f *backupFlags) register(flags *pflag.FlagSet) {
	flags.StringSliceVar(&f.endpoints, "endpoints", []string{defaultEndpoint}, "URLs of the nodes, in order of preference")
	flags.DurationVar(&f.timeout, "timeout", 5*time.Second, "how long one node may take to begin")
	flags.IntVar(&f.keep, "keep", 0, "make the backup in the directory FILE and keep so many there (default 0: FILE is a file)")
	registerClientTLS(flags, &f.tls)
}

func (f *backupFlags) open(ctx context.Context, app *cli) (*client.Backup, error) {
	c, err := f.client(app)
	if err != nil {
		return nil, err
	}
	return c.Backup(ctx)
}

// fileArg wants one argument.
func fileArg(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return &usageError{cmd: cmd, err: errors.New("file required")}
	case len(args) > 1:
		return &usageError{cmd: cmd, err: fmt.Errorf("unexpected argument %q", args[1])}
	}
	return nil
}

// oneFile completes the first argument as a file.
func oneFile(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveDefault
}

// describe says what a backup holds.
func describe(s backup.Summary) string {
	return fmt.Sprintf("%d entries, %d of them directories, %d with a lease, %d bytes, index %d, of node %s of cluster %s at %s",
		s.Entries, s.Dirs, s.Leased, s.Bytes, s.Index, s.Node, s.Cluster, s.Time.Format(time.RFC3339))
}

// receive copies a backup while it is verified.
func receive(from io.Reader, to io.Writer) (backup.Summary, error) {
	local := &localWriter{w: to}
	sum, err := backup.Verify(io.TeeReader(from, local))
	switch {
	case err == nil:
		return sum, nil
	case local.err != nil:
		return sum, fmt.Errorf("no backup was made: %w", local.err)
	default: // it is the node's
		return sum, &codeError{code: exitUnavailable, err: fmt.Errorf("no backup was made: %w", err)}
	}
}

// localWriter remembers that it was the writing that failed.
type localWriter struct {
	w   io.Writer
	err error
}

func (l *localWriter) Write(p []byte) (n int, err error) {
	n, err = l.w.Write(p)
	l.err = errors.Join(l.err, err)
	return n, err
}

// receiveFile makes the file from one beside it when that is whole and on disk.
func receiveFile(from io.Reader, path string) (sum backup.Summary, err error) {
	partial := path + partialSuffix
	if err := os.Remove(partial); err != nil && !errors.Is(err, fs.ErrNotExist) { // of an earlier run
		return sum, err
	}
	f, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return sum, err
	}
	sum, err = receive(from, f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(partial, path)
	}
	if err != nil {
		return sum, errors.Join(err, os.Remove(partial))
	}
	return sum, syncDir(filepath.Dir(path))
}

// syncDir makes a rename in a directory survive a power failure.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
