package pgtest

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// conf is what the server's configuration has beyond initdb's. It is a file
// and not a command line so that ALTER SYSTEM can overrule it later.
//
// Dynamic shared memory lies in the data directory, so that a killed server
// leaves nothing behind in /dev/shm.
func (o Options) conf() string {
	settings := map[string]string{
		"shared_buffers":             "256MB",
		"max_connections":            "200",
		"dynamic_shared_memory_type": "mmap",
	}
	if !o.Fsync {
		settings["fsync"] = "off"
		settings["full_page_writes"] = "off"
	}
	maps.Copy(settings, o.Settings)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "\n%s = '%s'", name, strings.ReplaceAll(settings[name], "'", "''"))
	}
	return b.String() + "\n"
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
