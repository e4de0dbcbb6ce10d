// Package compose tests deploy/compose without a Docker engine: the file is read as the compose specification has it, what it mounts
// exists and is accepted by those who read it, and its emulator, Vault and rotatord run with their own commands in one network
// namespace, as they do under compose.
package compose
