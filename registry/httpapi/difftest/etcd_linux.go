package difftest

import "syscall"

// childAttributes makes the kernel end the child when the test binary dies without its clean-up.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
