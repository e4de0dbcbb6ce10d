// Package web is the daemon's HTTP face: the JSON API under /api/v1, the status page, /metrics, and the health, readiness
// and reload endpoints under /-/ that Prometheus servers share.
//
// It reads the journal and asks an [Operator] to act; it decides nothing itself. What it shows is made of types of its
// own, field by field, so that a field added to the journal is not published by accident.
//
// Who may do what:
//
//   - TLS, basic auth and client certificates come from a web config file in the format of the Prometheus exporters. Where
//     it asks for authentication, every path does, the health endpoints included, and [Allow] says who may read and who
//     may act.
//   - Without authentication everybody who reaches the listener may read, and acting (every request but GET and HEAD, the
//     reload included) is refused unless the listener is bound to a loopback address or a Unix socket.
//   - On a loopback listener without authentication the Host header must name this machine, so that a web page cannot
//     reach it by pointing a name of its own at 127.0.0.1. Requests that another site's page makes a browser send are
//     refused everywhere.
package web

//go:generate go run ./internal/gen -root ..
