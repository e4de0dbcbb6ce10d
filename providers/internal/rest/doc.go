// Package rest is what providers over HTTP and JSON have in common: how requests leave, what becomes of their failures, and
// how answers of any length are read.
//
// Its promises are those that rotation rests on:
//
//   - A write is sent once, on a connection of its own, and follows no redirect. If its answer is lost, the fault says
//     whether anything can have left.
//   - A read is repeated only when the service throttles it, or when the daemon's own key was replaced meanwhile.
//   - An answer is bounded in size and in time, is read element by element, and counts only if it came to its end.
//   - A key never comes into the text of a fault, even if the service repeats it.
//
// It knows no service. What a refusal means beyond its status, and how a request is authorized, a provider says in [Options].
package rest
