package client

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/web"
)

func TestNothingFollowsARedirect(t *testing.T) {
	var reached atomic.Int32
	arrive := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	elsewhere := httptest.NewServer(arrive)
	defer elsewhere.Close()
	encrypted := httptest.NewTLSServer(arrive)
	defer encrypted.Close()
	for _, code := range []int{301, 302, 303, 307, 308} {
		for _, target := range []string{elsewhere.URL, encrypted.URL, "/api/v1/elsewhere"} {
			var asked atomic.Int32
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				w.Header().Set("Location", target)
				w.WriteHeader(code)
			}))
			c, err := New(strings.Replace(s.URL, "http://", "http://operator:hunter2@", 1))
			if err != nil {
				t.Fatal(err)
			}
			for name, call := range map[string]func(context.Context) error{
				"a question": func(ctx context.Context) error { _, err := c.Status(ctx); return err },
				"a key": func(ctx context.Context) error {
					_, err := c.Supply(ctx, web.Selection{}, []byte("k"), "", time.Time{})
					return err
				},
				"a report": func(ctx context.Context) error { _, err := c.Report(ctx, ReportQuery{}, nil); return err },
			} {
				if err := call(t.Context()); err == nil || !strings.Contains(err.Error(), "not followed") || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%d to %s, %s: %v", code, target, name, err)
				}
			}
			if asked.Load() != 3 {
				t.Errorf("%d to %s: %d requests, want 3", code, target, asked.Load())
			}
			s.Close()
		}
	}
	if n := reached.Load(); n > 0 {
		t.Errorf("%d requests followed a redirect", n)
	}
}

func TestPasswordsAreNotSentInTheClear(t *testing.T) {
	for address, works := range map[string]bool{
		"http://u:hunter2@127.0.0.1:9650": true, "http://u:hunter2@localhost:9650": true, "https://u:hunter2@rotatord.example": true,
		"http://rotatord.example": true, "http://u:hunter2@rotatord.example": false, "http://u:hunter2@10.0.0.1": false, "http://u:hunter2@localhost.example": false,
	} {
		_, err := New(address)
		if (err == nil) != works {
			t.Errorf("%s: %v", address, err)
		}
		if err != nil && (strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "unencrypted")) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestAKeyIsNotSuppliedInTheClear(t *testing.T) {
	c, err := New("http://rotatord.example")
	if err != nil {
		t.Fatal(err)
	}
	c.http.Transport = unreachable{t}
	if _, err := c.Supply(t.Context(), web.Selection{}, []byte("k"), "", time.Time{}); !errors.Is(err, errExposed) {
		t.Errorf("got %v", err)
	}
}

// unreachable fails the test where anything is sent.
type unreachable struct{ t *testing.T }

func (u unreachable) RoundTrip(r *http.Request) (*http.Response, error) {
	u.t.Errorf("sent to %s", r.URL.Host)
	return nil, errors.New("unreachable")
}

func TestAnswersAreBoundedAfterUnpacking(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(bytes.Repeat([]byte(" "), 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	whole := bytes.Repeat(packed.Bytes(), 2*maxAnswer>>20) // a file of gzip may have several members
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(whole)
	}))
	defer s.Close()
	c, err := New(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "is it rotatord") {
		t.Errorf("an answer: %v", err)
	}
	if _, err := c.Report(t.Context(), ReportQuery{}, nil); !errors.Is(err, errLongLine) {
		t.Errorf("a report: %v", err)
	}
}
