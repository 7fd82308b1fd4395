package lbsync

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// newFileMode is for files that were not there before; the others keep theirs. Balancers read their files as root, and
// nothing in them is secret.
const newFileMode = 0o644

// A liveFile is a balancer's configuration file. It is only ever replaced as a whole, by a rename within its directory,
// so that at any moment, also after a crash, it is the old one or the new one.
type liveFile struct {
	path string
}

// openLive follows symbolic links, so that the file is replaced and not the link.
func openLive(path string) liveFile {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return liveFile{path: path}
}

// read returns the content; nil when there is no file.
func (f liveFile) read() ([]byte, error) {
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if text == nil {
		text = []byte{}
	}
	return text, err
}

// beside is a path in the same directory that neither balancer includes by a pattern such as *.cfg or *.conf.
func (f liveFile) beside(suffix string) string {
	return filepath.Join(filepath.Dir(f.path), "."+filepath.Base(f.path)+suffix)
}

// stage writes a candidate durably next to the file, and returns its path.
func (f liveFile) stage(text []byte) (path string, err error) {
	path = f.beside(".rollcall-new")
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("old candidate: %w", err)
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, newFileMode)
	if err != nil {
		return "", fmt.Errorf("candidate: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	_, err = out.Write(text)
	err = errors.Join(err, f.likeLive(out), out.Sync(), out.Close())
	if err != nil {
		return "", fmt.Errorf("candidate: %w", err)
	}
	return path, nil
}

// likeLive gives the candidate the mode of the file it is to replace and, where permitted, its owner.
func (f liveFile) likeLive(out *os.File) error {
	info, err := os.Stat(f.path)
	if err != nil {
		return out.Chmod(newFileMode)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		_ = out.Chown(int(stat.Uid), int(stat.Gid)) // Only root may; the mode is what counts.
	}
	return out.Chmod(info.Mode().Perm())
}

// replace puts a staged candidate in the file's place.
func (f liveFile) replace(candidate string) error {
	if err := os.Rename(candidate, f.path); err != nil {
		return fmt.Errorf("replace: %w", err)
	}
	return f.syncDir()
}

// write stages and replaces in one step, for what has been checked before.
func (f liveFile) write(text []byte) error {
	candidate, err := f.stage(text)
	if err != nil {
		return err
	}
	return f.replace(candidate)
}

// remove takes the file away.
func (f liveFile) remove() error {
	if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove: %w", err)
	}
	return f.syncDir()
}

// syncDir makes renames and removals survive a power failure.
func (f liveFile) syncDir() error {
	dir, err := os.Open(filepath.Dir(f.path))
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}
