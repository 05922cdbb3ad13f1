//go:build !linux

package pgtest

import "syscall"

// diesWithParent is Linux's alone: elsewhere a killed process leaves its server behind.
func diesWithParent(*syscall.SysProcAttr) {}
