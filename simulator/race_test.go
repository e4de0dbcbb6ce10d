//go:build race

package simulator_test

// keptHere is how many of them: under the race detector each takes minutes.
const keptHere = 1
