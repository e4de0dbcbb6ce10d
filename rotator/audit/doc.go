// Package audit writes, reads and verifies the chain of audit records.
//
// A record is one line of JSON: seq, at and prev come first, the event after them.
//
//	{"seq":7,"at":"2026-03-01T12:00:00.000Z","prev":"<hash of record 6>","kind":"hold",…}
//
// Its hash is the SHA-256 sum of exactly these bytes. An export appends the hash as the last field, so that anybody can
// check a line without this program: cut ,"hash":"…" out of its end and sum what is left. The first record ever has a prev
// of zeros. Where retention removed the oldest records, a later checkpoint record holds the hash that the first one left
// names as its prev.
//
// What a chain shows, and what it cannot without an anchor kept elsewhere, is told in docs/audit.md. The package knows
// neither files nor databases.
package audit
