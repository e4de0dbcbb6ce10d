// Package dataspot tracks, proves and, where somebody asked for it, makes access keys of the service users of one tenant of a
// dataspot. server.
//
// It uses the vendor's manual and the specification that a server publishes (/specification/openapi.json), and marks where it goes
// by less. Four facts shape it:
//
//   - The specification has no call for access keys. A user has a property accessKeys that can be written and not read, and nobody
//     says whether a write adds to the keys or replaces them. So, unless told otherwise, keys are made and removed by a person, and
//     this package knows those that the configuration names.
//   - With [Options.CreateKeys] keys are made by that property all the same, once a throw-away service user has shown what a write
//     does. A replaced key cannot be had back, so every doubt ends in a refusal.
//   - A key is valid in one tenant. A call that proves a key says nothing about whose it is.
//   - There is a call that deletes every user of a tenant. No request of this package can be it: see guard.
//
// The package holds no inventory: users are handed on one by one as they arrive.
package dataspot
