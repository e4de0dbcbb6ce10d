package rest

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// endless sends blanks, which JSON permits anywhere, until the client has enough.
func endless(w http.ResponseWriter, _ *http.Request) {
	chunk := bytes.Repeat([]byte(" "), 64<<10)
	for range 1 << 14 { // a GiB, should the client take it
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// bomb sends a few hundred kilobytes that unpack to 256 MiB.
func bomb(t *testing.T) func(http.ResponseWriter, *http.Request) {
	t.Helper()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(bytes.Repeat([]byte(" "), 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	whole := bytes.Repeat(packed.Bytes(), 256) // a file of gzip may have several members
	return func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			t.Error("the client does not unpack by itself any more: bound what does")
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(whole)
	}
}

func TestAnswersAreBoundedAfterUnpacking(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){"without end": endless, "a bomb": bomb(t)} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, answer)
			err := s.client(t, Options{Key: key("k")}).GetObject(t.Context(), Call{Method: http.MethodGet, Path: "/x"}, &struct{}{})
			if rotator.KindOf(err) != rotator.Invalid || !strings.Contains(err.Error(), "larger than any") {
				t.Errorf("got %v", err)
			}
			list := List[item]{Visit: func(*item) error { return nil }}
			err = ReadList(t.Context(), s.client(t, Options{Key: key("k")}), Call{Method: http.MethodGet, Path: "/x", Stream: true}, &list)
			if rotator.KindOf(err) != rotator.Invalid || !strings.Contains(err.Error(), "larger than any") {
				t.Errorf("as a list: %v", err)
			}
		})
	}
}

// What a refusal says is cut, not refused: its status is what counts.
func TestRefusalsAreBoundedAfterUnpacking(t *testing.T) {
	packed := bomb(t)
	s := newService(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(http.StatusForbidden)
		packed(w, r)
	})
	longest := 0
	c := s.client(t, Options{Key: key("k"), Classify: func(r Refusal) *rotator.Fault { longest = len(r.Body); return Classify(r) }})
	if _, err := c.Get(t.Context(), Call{Method: http.MethodGet, Path: "/x"}); rotator.KindOf(err) != rotator.Denied || longest > maxError {
		t.Errorf("got %v, with %d bytes read", err, longest)
	}
}

func TestHeadersAreBounded(t *testing.T) {
	s := newService(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 1<<20))
		_, _ = io.WriteString(w, "{}")
	})
	if _, err := s.client(t, Options{Key: key("k")}).Get(t.Context(), Call{Method: http.MethodGet, Path: "/x"}); rotator.KindOf(err) != rotator.Transient {
		t.Errorf("a read: %v", err)
	}
	if _, err := s.client(t, Options{Key: key("k")}).Write(t.Context(), Call{Method: http.MethodPost, Path: "/x"}); rotator.KindOf(err) != rotator.UnknownOutcome {
		t.Errorf("a write: %v", err)
	}
}

// A server that stops in the middle of a header or of a body holds nothing up for longer than the timeout.
func TestAServerThatStopsIsGivenUp(t *testing.T) {
	for name, begin := range map[string]string{"nothing": "", "half a header": "HTTP/1.1 200 OK\r\nX-", "half a body": "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"} {
		t.Run(name, func(t *testing.T) {
			done := make(chan struct{})
			s := newService(t, func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = conn.Close() }()
				_, _ = io.WriteString(conn, begin)
				<-done
			})
			defer close(done)
			err := s.client(t, Options{Key: key("k"), Timeout: 50 * time.Millisecond}).GetObject(t.Context(), Call{Method: http.MethodGet, Path: "/x"}, &struct{}{})
			if rotator.KindOf(err) != rotator.Transient {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Every provider and the OAuth2 endpoint speak through this client.
func TestCredentialsFollowNoRedirect(t *testing.T) {
	var reached atomic.Int32
	arrive := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	otherHost := httptest.NewServer(arrive)
	defer otherHost.Close()
	otherScheme := httptest.NewTLSServer(arrive)
	defer otherScheme.Close()
	for name, target := range map[string]string{
		"another host": otherHost.URL, "another scheme": otherScheme.URL, "a metadata service": "http://169.254.169.254/latest",
		"its own host": "/api/elsewhere", "a file": "file:///etc/passwd",
	} {
		for _, code := range []int{301, 302, 303, 307, 308} {
			s := newService(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", target)
				w.WriteHeader(code)
			})
			c := s.client(t, Options{Key: key("k")})
			if _, err := c.Get(t.Context(), Call{Method: http.MethodGet, Path: "/x"}); rotator.KindOf(err) != rotator.Invalid {
				t.Errorf("%s, %d, a read: %v", name, code, err)
			}
			if _, err := c.Write(t.Context(), Call{Method: http.MethodPost, Path: "/x", Body: []byte("{}")}); rotator.KindOf(err) != rotator.UnknownOutcome {
				t.Errorf("%s, %d, a write: %v", name, code, err)
			}
			if asked := s.asked(); len(asked) != 2 {
				t.Errorf("%s, %d: asked %q", name, code, asked)
			}
		}
	}
	if n := reached.Load(); n > 0 {
		t.Errorf("%d requests followed a redirect", n)
	}
}

func TestNothingIsSentToAMetadataService(t *testing.T) {
	base, err := CheckBaseURL("https://169.254.169.254", "x")
	if err != nil {
		t.Fatal(err)
	}
	_, err = New(Options{Base: base, Key: key("k")}).Write(t.Context(), Call{Method: http.MethodPost, Path: "/x"})
	if rotator.KindOf(err) != rotator.Transient || !strings.Contains(err.Error(), "link-local") {
		t.Errorf("got %v", err)
	}
}
