// Package digicertone lists, makes, proves, disables and deletes API tokens at DigiCert ONE, through Account Manager's REST API.
//
// Its vendor documents paths, error bodies and rules, and of the JSON only what two list calls show. So every name that an
// answer or a request needs stands in one mapping, [Fields], with the inferred name as default, and an answer that lacks a
// field is refused in words that name the field and the setting.
//
// The vendor says two things about what a service user is, and which holds at an instance can only be told by trying. So
// there are two modes:
//
//   - [TokenMode]: a service user holds API tokens, and each of them is a key.
//   - [RecreateMode]: a service user is its one token. The user is the key, its friendly name is the key's name, and what
//     rotates is the user: a successor is made with the same accounts, managers and roles. What the rest of the daemon sees
//     as the service user is the base name that all of them share.
//
// Keys end with a day: at 23:59:59 UTC of their end date. The package holds no inventory.
package digicertone
