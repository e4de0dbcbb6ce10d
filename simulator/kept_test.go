package simulator_test

// kept are the seeds of worlds that are played in every run. Each has shown something once, or is there for its mix of providers,
// people and trouble.
var kept = []uint64{200, 201, 202, 203, 204, 205, 206, 207, 208, 209, 210, 211, 212, 213, 214, 215, 216, 217, 218, 219, 220, 221, 222, 223,
	48797016851,  // a drill whose old key leaks is a drill all the same
	895056560832, // lists without a key from the first day on, which nobody can know of then
}
