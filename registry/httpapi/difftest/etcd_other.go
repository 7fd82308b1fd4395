//go:build !linux

package difftest

import "syscall"

// childAttributes has nothing to ask for here: only Linux ties a child's life to its parent's.
func childAttributes() *syscall.SysProcAttr { return nil }
