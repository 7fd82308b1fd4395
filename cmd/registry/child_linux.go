package main

import "syscall"

// childAttributes keep a terminal's Ctrl-C from the child, which is stopped in its turn, and have the kernel end it
// when this process dies without doing so.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
