//go:build !linux

package main

import "syscall"

// diesWithParent is Linux's alone: elsewhere a killed bench leaves its server behind.
func diesWithParent() *syscall.SysProcAttr { return nil }
