// Package rotator is the domain of rotatord: its vocabulary, its pure decisions and the stages of a rotation.
//
// It knows no vendor, no database and no network. What reaches the outside does so through three small interfaces
// that other packages implement: [Provider] (where keys are issued), [Sink] (where secrets are delivered) and
// [Journal] (what is durable). Every question of the form "may I" is a pure function of facts and a point in time, and
// answers with a reason that can be printed.
//
// The packages below it do the work: rotator/engine runs the loop and has one file per step, rotator/journal stores,
// rotator/seal encrypts secrets in flight.
package rotator
