//go:build !race

package engine_test

// stride is how many points a crash matrix goes on at a time.
const stride = 1
