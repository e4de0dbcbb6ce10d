//go:build race

package simulator_test

// keptHere is how many of them: under the race detector each takes ten times as long.
const keptHere = 4
