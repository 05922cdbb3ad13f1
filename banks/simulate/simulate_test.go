package simulate

import (
	"bytes"
	"os"
	"strconv"
	"testing"
)

// steps is how long the tests let worlds be troubled.
const steps = 100

func TestOne(t *testing.T) {
	seed, _ := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	var b bytes.Buffer
	r := Run(Config{Seed: seed, Steps: 100, Dir: t.TempDir(), Trace: &b})
	os.WriteFile("/tmp/trace", b.Bytes(), 0o600)
	t.Log(r.String())
	for _, f := range r.Findings {
		t.Error(f)
	}
}

func TestMany(t *testing.T) {
	for seed := range uint64(many()) {
		r := Run(Config{Seed: seed, Steps: 100, Dir: t.TempDir()})
		t.Log(r.String())
		for _, f := range r.Findings {
			t.Error(f)
		}
		if t.Failed() {
			return
		}
	}
}

func many() int {
	if n, err := strconv.Atoi(os.Getenv("MANY")); err == nil {
		return n
	}
	return 100
}
