package disk

import (
	"fmt"
	"os"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// patientFS is a file system whose writes do not fail but wait, see [faults].
type patientFS struct {
	vfs.FS
	faults *faults
}

func (p patientFS) Unwrap() vfs.FS { return p.FS }

// file tries to open a file until that works.
func (p patientFS) file(open func() (vfs.File, error)) (vfs.File, error) {
	var f vfs.File
	err := p.faults.hold(func() (err error) {
		f, err = open()
		return err
	})
	if err != nil {
		return nil, err
	}
	return patientFile{f, p.faults}, nil
}

func (p patientFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return p.file(func() (vfs.File, error) { return p.FS.Create(name, c) })
}

func (p patientFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return p.file(func() (vfs.File, error) { return p.FS.OpenReadWrite(name, c, o...) })
}

func (p patientFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return p.file(func() (vfs.File, error) { return p.FS.ReuseForWrite(from, to, c) })
}

func (p patientFS) OpenDir(name string) (vfs.File, error) {
	return p.file(func() (vfs.File, error) { return p.FS.OpenDir(name) })
}

func (p patientFS) Link(from, to string) error {
	return p.faults.hold(func() error { return p.FS.Link(from, to) })
}

func (p patientFS) Rename(from, to string) error {
	return p.faults.hold(func() error { return p.FS.Rename(from, to) })
}

func (p patientFS) MkdirAll(dir string, perm os.FileMode) error {
	return p.faults.hold(func() error { return p.FS.MkdirAll(dir, perm) })
}

// patientFile is a file of a patientFS.
type patientFile struct {
	vfs.File
	faults *faults
}

// Write goes on after what was written, as often as it takes.
func (p patientFile) Write(b []byte) (int, error) {
	done := 0
	err := p.faults.hold(func() error {
		n, err := p.File.Write(b[done:])
		done += n
		return err
	})
	return done, err
}

func (p patientFile) WriteAt(b []byte, at int64) (int, error) {
	done := 0
	err := p.faults.hold(func() error {
		n, err := p.File.WriteAt(b[done:], at+int64(done))
		done += n
		return err
	})
	return done, err
}

// Preallocate only makes later writes faster, so it may fail. The length of the file goes with
// the space: a sync of what is written there later then has no length to bring to disk, which
// costs as much again as the data. Only logs are preallocated, and zeros end a log.
func (p patientFile) Preallocate(offset, length int64) error {
	if fd := p.Fd(); p.File.Preallocate(offset, length) == nil && fd != vfs.InvalidFd {
		_ = syscall.Ftruncate(int(fd), offset+length)
	}
	return nil
}

func (p patientFile) Sync() error     { return p.synced(p.File.Sync()) }
func (p patientFile) SyncData() error { return p.synced(p.File.SyncData()) }

func (p patientFile) SyncTo(length int64) (bool, error) {
	full, err := p.File.SyncTo(length)
	return full, p.synced(err)
}

// synced makes a failed sync the end of all writing.
func (p patientFile) synced(err error) error {
	if err == nil || !p.faults.failArmed(fmt.Errorf("sync failed: %w", err)) {
		return err
	}
	select {} // the database must not go on; it would end the process
}
