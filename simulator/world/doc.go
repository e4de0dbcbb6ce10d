// Package world is a small world on a fake clock: issuing systems, a network that fails, sinks that lose what they took, consumers
// with caches, people who act at the wrong moment, and in the middle of it the real engine on the real journal.
//
// A [Scenario] holds everything that a run depends on. [Run] plays it inside a bubble of testing/synctest, so years pass in
// seconds, and tells an oracle of all that happens. What is real: rotator/engine, rotator/journal on SQLite, rotator/seal, and the
// providers with their decoding, over the emulator's servers without sockets. What is played: sinks, network, people, time.
package world
