package pgtest

import "syscall"

// diesWithParent lets the kernel stop the server at once should this process be killed.
func diesWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGQUIT }
