// Package tools pins the programs that checks and benchmarks use, in a module of its own so that nothing of theirs
// reaches the product's go.mod. "make tools" builds them into bin/tools.
package tools
