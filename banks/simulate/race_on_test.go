//go:build race

package simulate

// seeds is how many worlds the tests run; the race detector makes each slow.
const seeds = 40
