//go:build !race

package simulate

// seeds is how many worlds the tests run, compared how many of them more than
// once.
const (
	seeds    = 300
	compared = 12
)
