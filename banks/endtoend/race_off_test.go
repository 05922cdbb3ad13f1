//go:build !race

package endtoend

// transfers is how many the day sees.
const transfers = 20_000
