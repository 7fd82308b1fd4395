package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"rollcall/registry/client"
)

// Names of the backups that --keep makes, in UTC: they sort by time.
const (
	keptPrefix = "rollcall-"
	keptTime   = "20060102T150405Z"
	keptSuffix = ".backup"
)

// partialSuffix ends the name of a backup that is not whole yet.
const partialSuffix = ".partial"

// partialLife is how old a backup that is not whole is when nobody writes it any more: nodes and commands
// give up long before.
const partialLife = 24 * time.Hour

func keptName(at time.Time) string { return keptPrefix + at.UTC().Format(keptTime) + keptSuffix }

// keptAt returns when a backup of that name was made; ok is false for any other file.
func keptAt(name string) (at time.Time, ok bool) {
	rest, ok := strings.CutPrefix(name, keptPrefix)
	text, ok2 := strings.CutSuffix(rest, keptSuffix)
	at, err := time.Parse(keptTime, text)
	return at, ok && ok2 && err == nil && keptName(at) == name
}

// pruneBackups removes the oldest backups of a directory until there are keep of them, and what interrupted runs have
// left. The one that was just made stays, whatever the clock says. It returns how many backups it has removed.
func pruneBackups(dir, made string, keep int, now time.Time) (removed int, err error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	var others []string
	for _, f := range files {
		name := f.Name()
		if at, ok := keptAt(strings.TrimSuffix(name, partialSuffix)); ok && name != made {
			if !strings.HasSuffix(name, partialSuffix) {
				others = append(others, name)
			} else if now.Sub(at) > partialLife {
				err = errors.Join(err, os.Remove(filepath.Join(dir, name)))
			}
		}
	}
	slices.Sort(others)
	for _, name := range others[:max(len(others)-(keep-1), 0)] {
		if failed := os.Remove(filepath.Join(dir, name)); failed != nil {
			err = errors.Join(err, failed)
		} else {
			removed++
		}
	}
	return removed, err
}

// receiveKept makes a backup in a directory, removes older ones, and says what it has done.
func (f *backupFlags) receiveKept(app *cli, b *client.Backup, dir string, began time.Time) error {
	name := keptName(began)
	path := filepath.Join(dir, name)
	sum, err := receiveFile(b, path)
	if err != nil {
		return err
	}
	removed, err := pruneBackups(dir, name, f.keep, began)
	if err != nil {
		return fmt.Errorf("%s was made, and older ones cannot be removed: %w", path, err)
	}
	_, err = fmt.Fprintf(app.stdout, "%s: %s, from %s in %v; %d older removed\n", path, describe(sum), b.Endpoint, time.Since(began).Round(time.Millisecond), removed)
	return err
}
