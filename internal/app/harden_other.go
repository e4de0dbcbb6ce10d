//go:build !linux

package app

// harden does nothing where there is no such call.
func (a *App) harden() {}
