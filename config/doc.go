// Package config reads the configuration file: strictly, with every mistake at once, each with its place in the file
// and what to write instead.
//
// The structs are the one description of the format. Their field comments and tags are also what the reference in
// docs/reference/config.md and the JSON Schema in schema.json are generated from:
//
//	yaml      the name in the file
//	required  "true" where leaving the field out is an error
//	default   what is assumed when it is left out; a list is written as YAML
//	enum      the only values that are accepted
//	min, max  bounds of a number
//	variant   a pointer to the options of one value of the sibling field "type"; its fields stand beside "type"
//
// The package makes no call to a provider or a sink and does not build them. Parse does not touch the file system either:
// a file can be checked on a machine that holds none of the secrets.
package config

//go:generate go run ./internal/gen -root ..
