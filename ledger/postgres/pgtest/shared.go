package pgtest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"
)

// shared is the one server of a test process, started when first asked for.
var shared struct {
	mu     sync.Mutex
	server *Server
	err    error
}

// TB is the part of testing.TB that is needed here, so that a program which
// measures does not carry the testing package.
type TB interface {
	Helper()
	Fatal(...any)
	Context() context.Context
}

// startTimeout bounds how long a server may take to start on a busy machine.
const startTimeout = time.Minute

// Shared returns the server that all tests of this process use, each in a
// database of its own. It runs without fsync. The package's TestMain must go
// through [Main], which stops it. A test that stops or freezes a server starts
// one of its own.
func Shared(t TB) *Server {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server == nil && shared.err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		shared.server, shared.err = Start(ctx, Options{})
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

// NewDatabase makes an empty database on the shared server.
func NewDatabase(t TB) (url string) {
	t.Helper()
	url, err := Shared(t).NewDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// Tests is a package's tests, followed by the end of the shared server.
type Tests struct{ tests interface{ Run() int } }

// Main wraps a package's tests: os.Exit(pgtest.Main(m).Run()), or
// goleak.VerifyTestMain(pgtest.Main(m)).
func Main(m interface{ Run() int }) Tests { return Tests{m} }

// Run runs the tests, stops the shared server and returns the exit code.
func (t Tests) Run() int {
	code := t.tests.Run()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server == nil {
		return code
	}
	if err := shared.server.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}
