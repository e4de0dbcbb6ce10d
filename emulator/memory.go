package emulator

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
)

// InMemory returns a transport that calls the handler directly. It is for tests on a fake clock (testing/synctest), where
// a goroutine that waits for a socket would stop time. A handler that panics with http.ErrAbortHandler is seen as a
// connection that closed.
func InMemory(h http.Handler) http.RoundTripper { return memory{h} }

type memory struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (m memory) RoundTrip(r *http.Request) (*http.Response, error) {
	reader, writer := io.Pipe()
	w := &memoryWriter{header: http.Header{}, body: writer, started: make(chan struct{})}
	server := r.Clone(r.Context())
	server.RequestURI = r.URL.RequestURI()
	server.Host = r.URL.Host
	if server.Body == nil {
		server.Body = http.NoBody
	}
	go m.serve(w, server)
	select {
	case <-w.started:
	case <-r.Context().Done():
		_ = reader.CloseWithError(r.Context().Err())
		return nil, r.Context().Err()
	}
	if w.failed != nil {
		return nil, w.failed
	}
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Header: w.sent, Body: watched(r.Context(), reader), Request: r,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: -1,
	}, nil
}

func (m memory) serve(w *memoryWriter, r *http.Request) {
	defer func() {
		if cause := recover(); cause != nil {
			if err, ok := cause.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				panic(cause)
			}
			w.fail(io.ErrUnexpectedEOF)
			return
		}
		if err := r.Context().Err(); err != nil {
			w.fail(err) // the client has left, so what the handler wrote may be half of it
			return
		}
		w.WriteHeader(http.StatusOK)
		_ = w.body.Close()
	}()
	m.handler.ServeHTTP(w, r)
}

// memoryWriter hands an answer to a waiting RoundTrip. Its fields may be read once started is closed.
type memoryWriter struct {
	header  http.Header
	body    *io.PipeWriter
	once    sync.Once
	started chan struct{}
	status  int
	sent    http.Header
	failed  error
}

// Header implements http.ResponseWriter.
func (w *memoryWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *memoryWriter) WriteHeader(status int) {
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.started)
	})
}

// Write implements http.ResponseWriter.
func (w *memoryWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// Flush implements http.Flusher: nothing is held back.
func (w *memoryWriter) Flush() { w.WriteHeader(http.StatusOK) }

func (w *memoryWriter) fail(err error) {
	w.once.Do(func() {
		w.failed = err
		close(w.started)
	})
	_ = w.body.CloseWithError(err)
}

// memoryBody ends reads when the request's context ends, as net/http's bodies do.
type memoryBody struct {
	*io.PipeReader
	unwatch func() bool
}

func watched(ctx context.Context, r *io.PipeReader) memoryBody {
	return memoryBody{r, context.AfterFunc(ctx, func() { _ = r.CloseWithError(ctx.Err()) })}
}

// Read implements io.Reader.
func (b memoryBody) Read(p []byte) (int, error) {
	n, err := b.PipeReader.Read(p)
	if errors.Is(err, io.ErrClosedPipe) {
		err = context.Canceled // closed by the watch above, which a pipe reports to its reader in these words
	}
	return n, err
}

// Close implements io.Closer.
func (b memoryBody) Close() error {
	b.unwatch()
	return b.PipeReader.Close()
}
