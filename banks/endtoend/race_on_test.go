//go:build race

package endtoend

// transfers is how many the day sees. The race detector makes each slow.
const transfers = 3_000
