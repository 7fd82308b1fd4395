package lbtest

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// privateVariable tells a test that it runs in a mount namespace of its own.
const privateVariable = "LBTEST_PRIVATE_MOUNTS"

// PrivateMounts has the test run in a process with a mount namespace of its own, so that whatever it mounts is gone with
// it. A test goes on only where it returns true. It needs root, as the network namespaces of other tests do.
func PrivateMounts(t *testing.T) bool {
	t.Helper()
	if os.Getenv(privateVariable) == t.Name() {
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1", "-test.v") //nolint:gosec // It is this very program.
	cmd.Env = append(os.Environ(), privateVariable+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("a mount namespace: %v\n%s", err, out)
	}
	return false
}

// SmallDisk mounts an empty file system of 256 KiB at dir, until the test ends.
func SmallDisk(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("lbtest", dir, "tmpfs", 0, "size=256k,mode=755"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// ReadOnly mounts a directory on itself so that nothing in it can be written. What is open for writing stays open.
func ReadOnly(t *testing.T, dir string) (repair func()) {
	t.Helper()
	err := syscall.Mount(dir, dir, "", syscall.MS_BIND, "")
	if err == nil {
		err = syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}
}

// Fill takes all that is free at dir.
func Fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "fill")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for chunk := make([]byte, 4096); err == nil; {
		_, err = file.Write(chunk)
	}
	if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, io.ErrShortWrite) {
		t.Fatal(err)
	}
	_ = file.Close() // As full as it gets.
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}
