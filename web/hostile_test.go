package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// pipes is a listener whose connections exist in memory, so that its time can be a test's.
type pipes struct {
	waiting chan net.Conn
	closed  chan struct{}
}

func newPipes() *pipes { return &pipes{waiting: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.waiting:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
	return nil
}

func (*pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9650} }

// dial returns the client's end of a new connection.
func (p *pipes) dial() net.Conn {
	here, there := net.Pipe()
	p.waiting <- there
	return here
}

// inTestTime runs a server in a bubble of its own time.
func inTestTime(t *testing.T, o Options, run func(t *testing.T, p *pipes)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o.Metrics = prometheus.NewRegistry()
		s, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		p, ended := newPipes(), make(chan error, 1)
		go func() { ended <- s.Serve(ctx, p) }()
		run(t, p)
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// A client that sends its request a byte at a time holds its connection for as long as a header may take, and no longer.
func TestSlowClientsAreCutOff(t *testing.T) {
	for name, c := range map[string]struct {
		sends  string
		within time.Duration
	}{
		"no request":        {"", headerTime},
		"half a header":     {"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nX-A: ", headerTime},
		"half a body":       {"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{", requestTime},
		"silence after one": {"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n", idleTime},
	} {
		t.Run(name, func(t *testing.T) {
			inTestTime(t, Options{Reload: func(context.Context) error { return nil }}, func(t *testing.T, p *pipes) {
				conn, started := p.dial(), time.Now()
				defer func() { _ = conn.Close() }()
				go func() { _, _ = io.WriteString(conn, c.sends) }()
				_, _ = io.Copy(io.Discard, conn) // ends when the server hangs up
				if took := time.Since(started); took > c.within+time.Second {
					t.Errorf("held for %s, want at most %s", took, c.within)
				}
			})
		})
	}
}

// A client that does not read its answer does not hold the connection for ever either.
func TestClientsThatDoNotReadAreCutOff(t *testing.T) {
	inTestTime(t, Options{}, func(t *testing.T, p *pipes) {
		conn, started := p.dial(), time.Now()
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
		time.Sleep(answerTime + time.Second) // of the bubble
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Error(err)
		}
		if took := time.Since(started); took > answerTime+2*time.Second {
			t.Errorf("held for %s", took)
		}
	})
}

// A request has the time that its answer has; streams, which are bounded piece by piece, have their own.
func TestRequestsEnd(t *testing.T) {
	for path, ends := range map[string]bool{"/": true, "/-/reload": true, "/api/v1/rotations": true, "/api/v1/report": false, "/api/v1/audit": false} {
		ctx, done := bounded(httptest.NewRequest(http.MethodGet, path, nil))
		if _, has := ctx.Deadline(); has != ends {
			t.Errorf("%s: has an end: %v", path, has)
		}
		done()
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	p := newPipes()
	c := newCrowd(p, 2)
	var inside []net.Conn
	for range 2 {
		go p.dial()
		conn, err := c.Accept()
		if err != nil {
			t.Fatal(err)
		}
		inside = append(inside, conn)
	}
	next := make(chan error, 1)
	go func() {
		conn, err := c.Accept()
		if err == nil {
			err = conn.Close()
		}
		next <- err
	}()
	select {
	case p.waiting <- inside[0]:
		t.Fatal("a third connection was taken")
	default:
	}
	_, _ = inside[0].Close(), inside[0].Close() // twice gives one place back
	p.dial()
	if err := <-next; err != nil {
		t.Fatal(err)
	}
	if n := len(c.places); n != 1 {
		t.Errorf("%d places are taken, want 1", n)
	}
	_ = c.Close()
	if _, err := c.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

func TestAFullServerCanBeClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		c := newCrowd(p, 1)
		go p.dial()
		conn, err := c.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		ended := make(chan error, 1)
		go func() { _, err := c.Accept(); ended <- err }()
		synctest.Wait() // it waits for a place
		_ = c.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

const planted = "S3CR3T-in-a-panic"

func TestAPanicIsAnswered(t *testing.T) {
	var nothing []int
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		logs    string
	}{
		"a text":         {func(http.ResponseWriter, *http.Request) { panic("with " + planted) }, "a value of type string"},
		"an error":       {func(http.ResponseWriter, *http.Request) { panic(fmt.Errorf("with %s", planted)) }, "a value of type *fmt.wrapError"},
		"of the runtime": {func(http.ResponseWriter, *http.Request) { _ = nothing[len(planted)] }, "index out of range"},
		"by a nil panic": {func(http.ResponseWriter, *http.Request) { panic(nil) }, "panic called with nil"},
		"deep in a chain": {func(w http.ResponseWriter, r *http.Request) {
			harden(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(planted) })).ServeHTTP(w, r)
		}, "string"},
	} {
		t.Run(name, func(t *testing.T) {
			core, seen := observer.New(zapcore.DebugLevel)
			w := httptest.NewRecorder()
			(&Server{log: zap.New(core)}).catch(c.handler).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/status?token="+planted, nil))
			if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "mistake in rotatord") {
				t.Errorf("answered %d %s", w.Code, w.Body)
			}
			if seen.Len() != 1 {
				t.Fatalf("%d lines were logged", seen.Len())
			}
			said := fmt.Sprint(seen.All()[0].Message, seen.All()[0].ContextMap())
			if strings.Contains(said+w.Body.String(), planted) {
				t.Errorf("what the panic held was repeated: %s", said)
			}
			if c.logs != "a value of type *fmt.wrapError" && !strings.Contains(said, c.logs) || !strings.Contains(said, "hostile_test.go") {
				t.Errorf("logged %s, want %q and the place", said, c.logs)
			}
		})
	}
}

// An answer that had begun must not look whole.
func TestAPanicCutsOffAnAnswerThatBegan(t *testing.T) {
	s := &Server{log: zap.NewNop()}
	server := httptest.NewServer(s.catch(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"keys":[`)
		_ = http.NewResponseController(w).Flush()
		panic(planted)
	})))
	defer server.Close()
	res, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if text, err := io.ReadAll(res.Body); err == nil || strings.Contains(string(text), "mistake") {
		t.Errorf("read %q, %v", text, err)
	}
}

func TestAPanicLeavesTheServerUp(t *testing.T) {
	core, seen := observer.New(zapcore.ErrorLevel)
	failing := Options{Log: zap.New(core), Reload: func(context.Context) error { panic(planted) }}
	inTestTime(t, failing, func(t *testing.T, p *pipes) {
		conn := p.dial()
		defer func() { _ = conn.Close() }()
		answers := bufio.NewReader(conn)
		for _, ask := range []struct {
			request string
			status  int
		}{{"POST /-/reload", 500}, {"GET /-/healthy", 200}} {
			_, _ = io.WriteString(conn, ask.request+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
			res, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			if res.StatusCode != ask.status {
				t.Errorf("%s: %d, want %d", ask.request, res.StatusCode, ask.status)
			}
		}
	})
	if seen.Len() != 1 {
		t.Errorf("%d lines were logged", seen.Len())
	}
}

func TestTLSBefore12IsNotOffered(t *testing.T) {
	for version, works := range map[string]bool{"TLS10": false, "TLS11": false, "TLS12": true, "TLS13": true, "": true} {
		file := filepath.Join(t.TempDir(), "web.yml")
		text := "tls_server_config:\n  min_version: " + version + "\n"
		if version == "" {
			text = "{}\n"
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := modernTLS(file); (err == nil) != works || !works && !strings.Contains(err.Error(), "write TLS12") {
			t.Errorf("%q: %v", version, err)
		}
	}
}

func TestReasonsAreOneLine(t *testing.T) {
	if got := oneLine("  year\nend\r\n\x1b[2J \u202ex\tto  do "); got != "year end [2J x to do" {
		t.Errorf("got %q", got)
	}
}
