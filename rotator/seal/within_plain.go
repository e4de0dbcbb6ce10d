//go:build !goexperiment.runtimesecret

package seal

// within runs f. A build with GOEXPERIMENT=runtimesecret also erases the stack, the registers and the heap that f used.
func within(f func()) { f() }
