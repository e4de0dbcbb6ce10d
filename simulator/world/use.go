package world

import (
	"net/http"
	"net/url"
)

// answer is what became of a consumer's call.
type answer int

const (
	unheard answer = iota // the system said nothing about the secret
	accepted
	refused
)

// use is what a consumer does with a secret: one call, over a network without faults.
func use(s system, secret string) answer {
	path, header := s.login(secret)
	w := &statusWriter{header: http.Header{}}
	s.ServeHTTP(w, &http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: "https", Host: "issuer.example", Path: path}, Host: "issuer.example",
		RequestURI: path, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header, Body: http.NoBody})
	switch w.status {
	case http.StatusOK:
		return accepted
	case http.StatusUnauthorized, http.StatusForbidden:
		return refused
	default:
		return unheard
	}
}

// statusWriter keeps the status of an answer and nothing else.
type statusWriter struct {
	header http.Header
	status int
}

// Header implements http.ResponseWriter.
func (w *statusWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write implements http.ResponseWriter.
func (w *statusWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return len(p), nil
}
