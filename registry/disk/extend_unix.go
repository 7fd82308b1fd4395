//go:build unix

package disk

import (
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// extend makes a file longer, if it has a descriptor and the system lets it.
func extend(f vfs.File, length int64) {
	if fd := f.Fd(); fd != vfs.InvalidFd {
		_ = syscall.Ftruncate(int(fd), length)
	}
}
