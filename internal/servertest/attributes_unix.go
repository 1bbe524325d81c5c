//go:build unix && !linux

package servertest

import "syscall"

// attributes are those of a process: a group of its own.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
