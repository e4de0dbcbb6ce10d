// Package vault delivers secrets into a key-value engine behind the HashiCorp Vault API.
//
// # What an entry looks like
//
// All values are text, so that every consumer can take them as they are:
//
//	api_key      the secret (Options.Field)
//	key_id, key_name, version, expires (RFC 3339; absent for never)
//	rotatord     the mark: one line of JSON, without the secret
//
// Other fields of an entry that is ours, or was taken over, are kept as they are.
//
// # Marks
//
// The mark is written in the same request as the secret, so that neither exists without the other, whatever crashes. It holds
// version, rotation, fingerprint, key, and a checksum over those, the secret, the path and, in version 2 of the
// engine, the number that the engine gives to this write. That number is known beforehand, because the write is made by
// check-and-set against the one that was read. So an entry is ours only if nobody wrote after us: a changed value, an
// entry copied from elsewhere, a rollback and even a rewrite of the same data are all noticed, with one read. It is a guard against
// accidents; who may write to the engine can forge it.
//
// In version 2 the provenance is also put into the entry's custom metadata (managed-by, rotatord-version, rotatord-rotation,
// rotatord-fingerprint, rotatord-key-id), for people and tools that may list but not read secrets. That is a second request. A crash
// before it leaves metadata that lag behind; the same delivery again brings them up to date; nothing is decided by them but
// one thing: after somebody deleted the secret, and the mark with it, they still tell that a newer version was delivered once.
//
// # Guarantees
//
// Version 2: writes never overwrite what was not seen. A wrong check-and-set, or an answer that was lost, leads to another read, and
// the read decides. No request that writes is repeated blindly: the API client's own retries are off.
//
// Version 1 has no check-and-set: the entry is read, compared and written. A write by somebody else in the moment between is
// overwritten, a write of ours whose answer was lost may arrive late, a rewrite of the same values by somebody else is not
// noticed, and a deletion takes the mark with it. Use version 2.
//
// A secret that somebody deleted or destroyed after we delivered it is delivered again by the next delivery, because consumers need
// it; what somebody else wrote and deleted is out of the way. Older versions in the engine's history are not touched.
//
// # Logging in
//
// At the first use: from a token file (read again when it changes), by AppRole, or by Kubernetes. A token is renewed after two thirds
// of its life, at the next use, so call [Sink.Ping] now and then; where it cannot be renewed, or is refused, there is one login, and
// the request that was refused is sent once more. Only one login is under way at a time.
//
// Redirects are not followed, because they would carry token and secret to another host: put the address of the active
// server, or of a load balancer that finds it. Answers are read up to a limit. The environment (VAULT_TOKEN, VAULT_NAMESPACE and
// others) has no influence, but for the proxy variables that all Go programs know; one that cannot even be parsed is an error of [New].
package vault
