//go:build !race

package simulator_test

// keptHere is how many of them.
var keptHere = len(kept)
