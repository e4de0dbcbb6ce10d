// Package soak plays a day of a fleet whose keys live for minutes, without a restart, and measures what the daemon keeps: live memory and
// goroutines. It has a process of its own, because both are counted for a whole process.
//
// Package realfaults soaks the real binary for a minute of real time.
package soak
