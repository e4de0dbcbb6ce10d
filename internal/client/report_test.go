package client

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/web"
)

const (
	twoKeys  = `{"key":{"provider":"cc","key":{"id":"1"}}}` + "\n" + `{"key":{"provider":"cc","key":{"id":"2"}}}` + "\n"
	complete = twoKeys + `{"summary":{"keys":2}}` + "\n"
)

func TestReportAsksForWhatIsWanted(t *testing.T) {
	for _, tc := range []struct {
		name  string
		query ReportQuery
		uri   string
	}{
		{"everything", ReportQuery{}, "/under/api/v1/report?"},
		{"one provider", ReportQuery{Provider: "c&c"}, "/under/api/v1/report?provider=c%26c"},
		{"all of it", ReportQuery{Policy: "p", Classes: []string{"held", "gone"}, Findings: []string{"unused"}, Labels: []string{"team=a", "cost="},
			By: "team", UnusedFor: 36 * time.Hour}, "/under/api/v1/report?by=team&class=held%2Cgone&finding=unused&label=team%3Da%2Ccost%3D&policy=p&unused_for=36h0m0s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, asked := daemon(t, http.StatusOK, complete)
			var ids []string
			sum, err := c.Report(t.Context(), tc.query, func(k *web.ReportedKey) error {
				ids = append(ids, k.Key.ID)
				return nil
			})
			if err != nil || sum.Keys != 2 || strings.Join(ids, " ") != "1 2" {
				t.Errorf("got %v, %+v, %v", ids, sum, err)
			}
			if asked.URI != tc.uri || asked.Method != http.MethodGet || asked.User != "operator:hunter2" {
				t.Errorf("asked %+v, want %s", asked, tc.uri)
			}
		})
	}
}

func TestReportThatIsNotCompleteIsAnError(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{"cut after a line", http.StatusOK, twoKeys, "cut short"},
		{"cut within a line", http.StatusOK, twoKeys + `{"summ`, "cut short"},
		{"empty", http.StatusOK, "", "cut short"},
		{"not a report", http.StatusOK, "<html>", "cut short"},
		{"the journal failed on the way", http.StatusOK, twoKeys + `{"error":"disk I/O error"}`, "not complete: disk I/O error"},
		{"refused", http.StatusForbidden, `{"title":"Forbidden","detail":"you may not"}`, "you may not"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := daemon(t, tc.status, tc.body)
			sum, err := c.Report(t.Context(), ReportQuery{}, func(*web.ReportedKey) error { return nil })
			if err == nil || sum != nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %+v, %v; want %q", sum, err, tc.want)
			}
		})
	}
}

func TestReportStopsWhenNobodyTakesIt(t *testing.T) {
	c, _ := daemon(t, http.StatusOK, complete)
	full, calls := errors.New("no space left"), 0
	_, err := c.Report(t.Context(), ReportQuery{}, func(*web.ReportedKey) error {
		calls++
		return full
	})
	if !errors.Is(err, full) || calls != 1 {
		t.Errorf("got %v after %d calls", err, calls)
	}
}

func TestReportWithoutADaemon(t *testing.T) {
	c, err := New("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Report(t.Context(), ReportQuery{}, nil); err == nil || !strings.Contains(err.Error(), "no daemon answers at") {
		t.Errorf("got %v", err)
	}
}

// paced answers in bursts with a pause after each, and then hangs until it is given up.
type paced struct {
	bursts []string
	pause  time.Duration
}

func (p paced) RoundTrip(req *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	res := w.Result()
	res.Body = &pacedBody{paced: p, ctx: req.Context()}
	return res, nil
}

type pacedBody struct {
	paced
	ctx context.Context
}

func (b *pacedBody) Read(p []byte) (int, error) {
	var after <-chan time.Time
	if len(b.bursts) > 0 {
		after = time.After(b.pause)
	}
	select {
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	case <-after:
	}
	n := copy(p, b.bursts[0])
	b.bursts = b.bursts[1:]
	return n, nil
}

func (*pacedBody) Close() error { return nil }

func slow(t *testing.T, p paced) (*web.ReportSummary, error) {
	t.Helper()
	c, err := New("http://127.0.0.1:9650")
	if err != nil {
		t.Fatal(err)
	}
	c.http.Transport = p
	return c.Report(t.Context(), ReportQuery{}, func(*web.ReportedKey) error { return nil })
}

func TestReportMayTakeLongButNotStandStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		sum, err := slow(t, paced{bursts: strings.SplitAfter(strings.TrimSpace(complete), "\n"), pause: reportSilence - time.Second})
		if err != nil || sum.Keys != 2 || time.Since(began) < 2*time.Minute {
			t.Errorf("got %+v, %v after %s", sum, err, time.Since(began))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := slow(t, paced{bursts: []string{twoKeys}, pause: time.Second})
		if !errors.Is(err, errSilent) || time.Since(began) != reportSilence+time.Second {
			t.Errorf("got %v after %s", err, time.Since(began))
		}
	})
}
