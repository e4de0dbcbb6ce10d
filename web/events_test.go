package web_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/web"
)

// listener reads one stream.
type listener struct {
	t    *testing.T
	resp *http.Response
	text *bufio.Scanner
}

func (s *site) listen(t *testing.T, last string) *listener {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || kind != "text/event-stream" {
		t.Fatalf("status %d, content type %q", resp.StatusCode, kind)
	}
	return &listener{t: t, resp: resp, text: bufio.NewScanner(resp.Body)}
}

// next returns the next event: its id, its name and its data.
func (l *listener) next() (id, name string, change web.Change) {
	l.t.Helper()
	for l.text.Scan() {
		field, value, _ := strings.Cut(l.text.Text(), ": ")
		switch field {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			if err := json.Unmarshal([]byte(value), &change); err != nil {
				l.t.Fatal(err)
			}
			return id, name, change
		}
	}
	l.t.Fatalf("the stream ended: %v", l.text.Err())
	return "", "", web.Change{}
}

func (l *listener) want(id, name, rotation string) {
	l.t.Helper()
	gotID, gotName, c := l.next()
	if gotID != id || gotName != name || c.Rotation != rotation {
		l.t.Errorf("got event %s of id %s about %q, want %s of id %s about %q", gotName, gotID, c.Rotation, name, id, rotation)
	}
}

// happens records a step of a rotation.
func (a *auditor) happens(t *testing.T, rotation string) {
	t.Helper()
	e := rotator.AuditEvent{Kind: rotator.AuditStep, Outcome: rotator.AuditDone, Rotation: rotation, To: rotator.StageGrace, Note: planted}
	if err := a.Record(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

func TestChangesAreTold(t *testing.T) {
	s, a := audited(t)
	l := s.listen(t, "")
	l.want("5", "hello", "")
	a.happens(t, "r-6")
	a.happens(t, "r-7")
	l.want("6", "change", "r-6")
	l.want("7", "change", "r-7")
}

func TestChangesGoOnWhereTheyEnded(t *testing.T) {
	s, a := audited(t)
	a.happens(t, "r-6")
	l := s.listen(t, "4")
	l.want("4", "hello", "")
	l.want("5", "change", "")
	l.want("6", "change", "r-6")
}

func TestWhoMissedTooMuchStartsAfresh(t *testing.T) {
	s, a := audited(t)
	s.listen(t, "1000").want("5", "reset", "") // the record was restored from an older copy
	for range 5001 {
		a.happens(t, "r")
	}
	l := s.listen(t, "5")
	l.want("5006", "reset", "")
	a.happens(t, "r-now")
	l.want("5007", "change", "r-now")
}

func TestChangesOverHTTP2(t *testing.T) {
	a := newAuthority(t)
	own := a.issue(x509.Certificate{})
	a.write("server.pem", "CERTIFICATE", own.Certificate[0])
	key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	a.write("server.key", "PRIVATE KEY", key)
	file := filepath.Join(a.dir, "web.yml")
	writeWebConfig(t, file, "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n")
	record := &auditor{}
	s := serve(t, func(o *web.Options, _ *site) { o.WebConfigFile, o.Audit = file, record })
	s.url = strings.Replace(s.url, "http:", "https:", 1)
	s.client = &http.Client{Transport: &http.Transport{TLSClientConfig: a.trust(), ForceAttemptHTTP2: true}}
	l := s.listen(t, "")
	if l.resp.ProtoMajor != 2 {
		t.Fatalf("speaks %s", l.resp.Proto)
	}
	l.want("0", "hello", "")
	record.happens(t, "r-1")
	l.want("1", "change", "r-1")
	_ = l.resp.Body.Close()
	s.streams(t, 0)
}

// streams waits until so many are open.
func (s *site) streams(t *testing.T, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for s.Streams() != want {
		select {
		case <-ctx.Done():
			t.Fatalf("%d streams are open, want %d", s.Streams(), want)
		case <-look.C:
		}
	}
}

func TestStreamsAreFew(t *testing.T) {
	s, _ := audited(t)
	for range 64 {
		s.listen(t, "").want("5", "hello", "")
	}
	s.get("/api/v1/events").problem(t, 503, "64 streams")
}

func TestStreamsEndAtShutdown(t *testing.T) {
	s, _ := audited(t)
	l := s.listen(t, "")
	l.want("5", "hello", "")
	begun := time.Now()
	s.stop()
	if rest, err := io.ReadAll(l.resp.Body); err != nil || len(rest) > 0 {
		t.Errorf("the stream ended with %q, %v; want a clean end", rest, err)
	}
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
	s.ended <- nil
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("the stop took %s: it waited for the stream", took)
	}
}

// A client that does not read is dropped, and the others hear of everything.
func TestSlowReadersAreDropped(t *testing.T) {
	s, a := audited(t)
	s.SetPatience(100 * time.Millisecond)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	s.streams(t, 1)
	for range 50_000 {
		a.happens(t, strings.Repeat("r", 200))
	}
	s.streams(t, 0)
	l := s.listen(t, "50004")
	l.want("50004", "hello", "")
	l.want("50005", "change", strings.Repeat("r", 200))
}

func TestChangesHoldNoNotes(t *testing.T) {
	s, a := audited(t)
	a.happens(t, "r-6")
	l := s.listen(t, "5")
	l.want("5", "hello", "")
	for l.text.Scan() {
		if line := l.text.Text(); strings.HasPrefix(line, "data: ") {
			if strings.Contains(line, planted) {
				t.Errorf("a note is in %s", line)
			}
			return
		}
	}
}

func TestNoChangesWithoutARecord(t *testing.T) {
	serve(t).get("/api/v1/events").problem(t, 404, "no audit record")
	s, _ := audited(t)
	s.ask(http.MethodGet, "/api/v1/events", "", "Last-Event-ID", "-1").problem(t, 422, "Last-Event-ID")
	s.ask(http.MethodGet, "/api/v1/events", "", "Last-Event-ID", "x").problem(t, 422, "Last-Event-ID")
}
