// Package manual keeps track of keys that nobody can rotate by an API: a person makes them, hands them over and removes them.
//
// Which keys there are stands in the configuration; what was handed over since, the engine remembers. The package makes one kind of
// request, and only where it was told how: the one that proves that a key works.
package manual
