// Package faults runs the real binary while what it depends on fails, one thing at a time, and holds it to three promises:
// it says what is wrong where people look, it comes to the good end by itself once the fault is over, and meanwhile not one
// call of a consumer is refused.
//
// Some tests fill a disk or make it read-only. Nothing but a file system of its own is really full or read-only for root, so
// they mount one and have to run as root, or in a user and mount namespace.
package faults
