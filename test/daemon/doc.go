// Package daemon runs the real binary for tests, against an emulated provider that is served over real HTTP.
//
// A test package that uses it hands its TestMain to [Main], which removes the binary that was built. Nothing here waits for
// a fixed time: everything waits for its effect, at most until a limit that only a broken daemon reaches.
package daemon
