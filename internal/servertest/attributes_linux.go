package servertest

import "syscall"

// attributes are those of a process: a group of its own, and an end with ours.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
