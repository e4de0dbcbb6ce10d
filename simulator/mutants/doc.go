// Package mutants holds the daemon with one guard at a time taken away, and a test that the simulator notices each.
//
// No switch is left in the daemon for that: a mutant is a replacement in the text of one of its files, which must fit exactly
// once, and is built with go build's overlay. When the code moves, the replacement fits no longer and the test says so.
package mutants
