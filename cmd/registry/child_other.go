//go:build !linux

package main

import "syscall"

// childAttributes are none: only Linux ties a child's life to its parent's.
func childAttributes() *syscall.SysProcAttr { return nil }
