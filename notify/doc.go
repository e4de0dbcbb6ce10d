// Package notify takes notices out of the journal's outbox and has them sent.
//
// Delivery is at least once: a notice leaves the outbox after its message was accepted, so a crash between the two sends
// the message again, with the same notices under the same [Message.ID], which receivers recognise. Nothing is given up:
// what cannot be sent is tried again, ever more rarely, and counted.
//
// The package decides when and in which company a notice is sent, not what it says nor how it travels: that is a
// [Sender]'s business. It never sees a secret, because a notice holds none.
package notify
