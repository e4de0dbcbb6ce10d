// Package seal keeps the secrets of rotations in flight unreadable at rest.
//
// A sealed secret is AES-256-GCM under a key of its own, derived by HKDF from the seal key and a random salt that stands
// in front, with the record it belongs to as associated data: a ciphertext that is moved to another row, version or
// purpose does not open. It names the seal key that it is sealed under, so that the seal key can be exchanged: a [Sealer]
// may hold several, of which the first seals and all open. The package also makes fingerprints: keyed hashes by which two
// copies of a secret are compared without either being kept. Their key stays the same when the seal key is exchanged.
//
// It stores nothing and knows no database. The seal key comes from a file, a systemd credential or a wrapping service;
// who can read both that and the journal can read the secrets in flight.
package seal
