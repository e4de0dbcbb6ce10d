// Package realserver starts the real servers that tests talk to, each on free ports of the loopback interface, and ends
// them with the test.
//
// A test that cannot have its server fails, and says which command makes the binary: a test that was skipped looks like
// one that passed. The binaries come from test/servers/build, which keeps them outside the tree.
package realserver
