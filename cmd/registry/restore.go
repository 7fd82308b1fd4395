package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"rollcall/registry"
	"rollcall/registry/backup"
	"rollcall/registry/disk"
)

func newRestoreCommand(app *cli) *cobra.Command {
	var dir string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "restore FILE --data-dir DIR",
		Short: "Make a data directory from a backup, for the first node of a new cluster",
		Long: `Make a data directory from a backup, for the first node of a new cluster. The directory
must be empty or absent. The whole file is verified before anything is written; what is
damaged, not complete, or of a newer version of this program is refused.

Start one node from the directory and let the others join it empty. Entries keep their
indexes, and new ones are above them; leases begin anew with their whole TTL. In a cluster
that lives a restored node undoes nothing that was written since the backup, but brings
back what was removed more than a day ago: see docs/backup.md.`,
		Example: `  registry restore --dry-run /var/backups/rollcall
  registry restore /var/backups/rollcall --data-dir /var/lib/rollcall
  registry serve --data-dir /var/lib/rollcall --join 10.0.0.1:7946,10.0.0.2:7946`,
		Args: fileArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if dir == "" && !dryRun {
				return &usageError{cmd: cmd, err: errors.New("--data-dir required")}
			}
			began := time.Now()
			sum, err := verifyFile(args[0])
			if err != nil {
				return err
			}
			done := "is whole"
			if !dryRun {
				if err := restoreFile(args[0], sum, dir); err != nil {
					return err
				}
				done = "restored into " + dir
			}
			_, err = fmt.Fprintf(app.stdout, "%s: %s; %s in %v\n", args[0], describe(sum), done, time.Since(began).Round(time.Millisecond))
			return err
		},
	}
	cmd.Flags().StringVar(&dir, "data-dir", "", "directory for the new node, empty or absent")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only verify the backup and say what it holds")
	cmd.ValidArgsFunction = oneFile
	return cmd
}

// verifyFile reads a backup to its end.
func verifyFile(path string) (backup.Summary, error) {
	f, err := os.Open(path)
	if err != nil {
		return backup.Summary{}, err
	}
	defer f.Close()
	sum, err := backup.Verify(f)
	if err != nil {
		return sum, fmt.Errorf("%s: %w; nothing was written", path, err)
	}
	return sum, nil
}

// errOtherBackup is what a file is refused with that was replaced after it was verified.
var errOtherBackup = errors.New("the file has changed since it was verified")

// restoreBatch is how many bytes of entries are brought to the journal at once.
const restoreBatch = 1 << 20

// restoreFile makes a data directory of a backup that was verified.
func restoreFile(path string, sum backup.Summary, dir string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return disk.Restore(dir, sum.Index, disk.Options{}, func(put func([]registry.Change) error) error {
		r := registry.NewRestoration(sum.Stamp)
		b := batch{put: put}
		again, err := backup.Read(f, func(e registry.Entry) error {
			c, err := r.Entry(e)
			if err != nil {
				return err
			}
			return b.add(c)
		})
		if err == nil && again != sum {
			err = errOtherBackup
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return put(append(b.changes, r.Rest()...))
	})
}

// batch gathers changes.
type batch struct {
	put     func([]registry.Change) error
	changes []registry.Change
	bytes   int
}

func (b *batch) add(c registry.Change) error {
	b.changes = append(b.changes, c)
	if b.bytes += len(c.Key) + len(c.Value); b.bytes < restoreBatch {
		return nil
	}
	err := b.put(b.changes)
	clear(b.changes)
	b.changes, b.bytes = b.changes[:0], 0
	return err
}
