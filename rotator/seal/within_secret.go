//go:build goexperiment.runtimesecret

package seal

import "runtime/secret"

// within runs f and erases the stack and the registers that it used; what it allocated is erased when it is collected.
func within(f func()) { secret.Do(f) }
