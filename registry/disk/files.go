package disk

import (
	"errors"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// readText returns what a small file holds.
func readText(fs vfs.FS, path string) (string, error) {
	f, err := fs.Open(path)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(f)
	return string(text), errors.Join(err, f.Close())
}

// replaceSynced makes a file hold the old or the new text whatever happens.
func replaceSynced(fs vfs.FS, path, text string) error {
	temp := path + ".new"
	if err := writeSynced(fs, temp, text); err != nil {
		return err
	}
	if err := fs.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(fs, fs.PathDir(path))
}

// syncDir makes a rename in a directory survive a power failure.
func syncDir(fs vfs.FS, path string) error {
	dir, err := fs.OpenDir(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func writeSynced(fs vfs.FS, path, text string) error {
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(f, text); err != nil {
		return errors.Join(err, f.Close())
	}
	return errors.Join(f.Sync(), f.Close())
}

// isThere tells whether a file or a directory is there, as far as can be seen.
func isThere(fs vfs.FS, path string) bool {
	_, err := fs.Stat(path)
	return err == nil
}
