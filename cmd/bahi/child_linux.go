package main

import "syscall"

// diesWithParent makes the kernel end the server should this process be killed.
func diesWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
