//go:build race

package engine_test

// stride is how many points a crash matrix goes on at a time: all of them are tried without the race detector, which makes
// each some ten times as slow.
const stride = 29
