// Package mail sends notices by e-mail, over SMTP (RFC 5321) with TLS.
//
// A message is plain text for somebody who has never heard of rotatord: what happened to which key, what they have to do
// and by when, where the new key is, and whom to ask. It never holds a key. Its Message-ID comes from [notify.Message.ID]
// alone, so that a message that is sent twice can be recognised; Auto-Submitted (RFC 3834) keeps holiday replies away.
//
// The package knows no recipients but those of the message: whether they may be written to was decided before.
package mail
