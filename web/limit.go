package web

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"go.yaml.in/yaml/v4"
)

// crowd is a listener that holds a bounded number of connections. One more waits, unanswered, in the system's queue: each
// that is held ends by itself, since nothing here may take long, but for the few streams of changes.
type crowd struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	close  sync.Once
}

func newCrowd(l net.Listener, most int) *crowd {
	return &crowd{Listener: l, places: make(chan struct{}, most), closed: make(chan struct{})}
}

// Accept waits for a free place, then for a connection.
func (c *crowd) Accept() (net.Conn, error) {
	select {
	case c.places <- struct{}{}:
	case <-c.closed:
		return nil, net.ErrClosed
	}
	conn, err := c.Listener.Accept()
	if err != nil {
		<-c.places
		return nil, err
	}
	return &guest{Conn: conn, leave: sync.OnceFunc(func() { <-c.places })}, nil
}

// Close also ends an Accept that waits for a place.
func (c *crowd) Close() error {
	c.close.Do(func() { close(c.closed) })
	return c.Listener.Close()
}

// guest is a connection that gives its place back once.
type guest struct {
	net.Conn
	leave func()
}

// Close implements [net.Conn].
func (g *guest) Close() error {
	defer g.leave()
	return g.Conn.Close()
}

// CloseWrite lets the server end its side and wait for the other, so that a client reads why before the connection is gone.
func (g *guest) CloseWrite() error {
	if half, ok := g.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// small bounds the bodies of requests. It comes first, because only the server's own writer can be told to hang up on a body
// that is too large.
func small(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// streamed are the answers that take the time that their readers take; each piece of them is bounded by itself.
var streamed = []string{apiPrefix + "/report", apiPrefix + "/audit", pathFleetCSV, pathEvents}

// bounded gives a request the time that its answer has: what takes longer could not be told to anybody.
func bounded(r *http.Request) (context.Context, context.CancelFunc) {
	if slices.Contains(streamed, r.URL.Path) {
		return r.Context(), func() {}
	}
	return context.WithTimeout(r.Context(), answerTime)
}

// ServerCertificate returns the certificates, in PEM, that a web config file has the server show: those that stand in it, or in the
// file that it names, as they are now. It is nil where there is none.
func ServerCertificate(webConfigFile string) ([]byte, error) {
	if webConfigFile == "" {
		return nil, nil
	}
	content, err := os.ReadFile(webConfigFile) //nolint:gosec // the path is the operator's own
	if err != nil {
		return nil, err
	}
	var a authentication
	if err := yaml.Unmarshal(content, &a); err != nil {
		return nil, err
	}
	switch file := a.TLS.CertFile; {
	case file == "":
		return []byte(a.TLS.Cert), nil
	case filepath.IsAbs(file):
		return os.ReadFile(file) //nolint:gosec // as above
	default:
		return os.ReadFile(filepath.Join(filepath.Dir(webConfigFile), file)) //nolint:gosec // as above
	}
}

// modernTLS refuses a web config file that lets clients speak TLS as it was before 1.2, which the format allows.
func modernTLS(file string) error {
	if file == "" {
		return nil
	}
	content, err := os.ReadFile(file) //nolint:gosec // the path is the operator's own
	if err != nil {
		return fmt.Errorf("web_config_file %s cannot be used: %w", file, err)
	}
	var a authentication
	if err := yaml.Unmarshal(content, &a); err != nil {
		return fmt.Errorf("web_config_file %s cannot be used: %w", file, err)
	}
	if old := a.TLS.MinVersion; old == "TLS10" || old == "TLS11" {
		return fmt.Errorf("web_config_file %s: min_version %s lets passwords go over TLS as it was before 1.2; write TLS12 or TLS13, or leave it out", file, old)
	}
	return nil
}
