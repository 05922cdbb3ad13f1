package pgtest

import (
	"cmp"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// errNotInstalled says in one line what to do: it is the whole message that
// somebody without PostgreSQL sees.
var errNotInstalled = errors.New("no PostgreSQL found in /usr/lib/postgresql/*/bin or PATH: apt-get install postgresql")

// findPrograms returns the directory of the newest PostgreSQL's programs.
func findPrograms(pattern string) (string, error) {
	found, _ := filepath.Glob(filepath.Join(pattern, "initdb"))
	if len(found) > 0 {
		return filepath.Dir(slices.MaxFunc(found, func(a, b string) int {
			return cmp.Compare(majorVersion(a), majorVersion(b))
		})), nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", errNotInstalled
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", err
	}
	return filepath.Dir(path), nil
}

// majorVersion reads the 15 of /usr/lib/postgresql/15/bin/initdb, as a number
// because 9.6 is older than 15.
func majorVersion(initdb string) float64 {
	version, _ := strconv.ParseFloat(filepath.Base(filepath.Dir(filepath.Dir(initdb))), 64)
	return version
}
