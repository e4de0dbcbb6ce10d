// Package simulator draws worlds from a seed, plays them, and looks for one in which a guarantee breaks; and it plays a user's own
// policies against a model of their fleet.
//
// [Draw] makes a scenario of a seed, [Hunt] plays one after the other, [Shrink] makes of one that fails a story that a person can
// read. [Forecast] is what the command "rotatord simulate" prints.
//
// The world is package world, the guarantees are package oracle. What is simulated and what is not is said in docs/simulator.md.
package simulator
