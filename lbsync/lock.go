package lbsync

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ErrLocked is returned when another lbsync keeps a target's file.
var ErrLocked = errors.New("another lbsync keeps this file")

// lock takes the file for this process until release is called or the process ends. Where the directory cannot be written
// there is nothing to protect: every change will fail and say so.
func (f liveFile) lock() (release func(), err error) {
	l, err := os.OpenFile(f.beside(".rollcall-lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return func() {}, nil //nolint:nilerr // As the comment says.
	}
	err = syscall.Flock(int(l.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(fmt.Errorf("%s: %w", f.path, ErrLocked), l.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", f.path, err), l.Close())
	}
	return func() { _ = l.Close() }, nil // Closing gives the lock up; there is nothing to lose.
}
