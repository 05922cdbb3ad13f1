//go:build race

package simulate

// seeds is how many worlds the tests run, compared how many of them more than
// once. The race detector makes each slow.
const (
	seeds    = 16
	compared = 3
)
