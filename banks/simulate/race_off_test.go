//go:build !race

package simulate

// seeds is how many worlds the tests run.
const seeds = 300
