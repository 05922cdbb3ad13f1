package main

import (
	"fmt"
	"runtime/debug"
)

// version is set by the linker in a release: -ldflags "-X main.version=1.2.3".
var version = "development"

type versionCmd struct{}

// Run prints the version, the Go release and, where known, the commit.
func (versionCmd) Run() error {
	commit := "unknown"
	goVersion := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		goVersion = info.GoVersion
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = s.Value
			}
		}
	}
	fmt.Printf("bahi %s (commit %s, %s)\n", version, commit, goVersion)
	return nil
}
