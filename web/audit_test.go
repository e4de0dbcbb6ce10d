package web_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/audit"
	"github.com/rotatord/rotatord/web"
)

// auditor keeps records in memory, and fails when told to.
type auditor struct {
	mu      sync.Mutex
	records []rotator.AuditRecord
	head    rotator.AuditHead
	failsAt int64
}

func (a *auditor) Record(_ context.Context, e rotator.AuditEvent) error {
	event, err := audit.Encode(e)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	r := audit.Link(a.head, time.Now(), event)
	a.records = append(a.records, r)
	a.head = rotator.AuditHead{Seq: r.Seq, Hash: r.Hash}
	return nil
}

func (a *auditor) AuditRecords(_ context.Context, after int64, fn func(rotator.AuditRecord) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.records {
		if r.Seq == a.failsAt {
			return errors.New("the disk is gone")
		}
		if r.Seq <= after {
			continue
		}
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}

func (a *auditor) AuditHead(context.Context) (rotator.AuditHead, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.head, nil
}

func (a *auditor) told(t *testing.T) []string {
	t.Helper()
	var all []string
	err := a.AuditRecords(t.Context(), 0, func(r rotator.AuditRecord) error {
		c, err := audit.Decode(r.Text)
		all = append(all, string(c.Kind)+" "+string(c.Outcome)+" "+c.Actor+" "+c.Note)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// audited serves a fleet with an audit record of five records by ann-0 to ann-4.
func audited(t *testing.T) (*site, *auditor) {
	t.Helper()
	a := &auditor{}
	for _, actor := range []string{"ann-0", "ann-1", "ann-2", "ann-3", "ann-4"} {
		e := rotator.AuditEvent{Kind: rotator.AuditHold, Outcome: rotator.AuditDone, Actor: actor, Note: "<wait> & see"}
		if err := a.Record(t.Context(), e.About(rotator.CredentialID{Provider: "cc", UserID: "u1", Base: "ci"})); err != nil {
			t.Fatal(err)
		}
	}
	return serve(t, func(o *web.Options, s *site) {
		fleet(o, s)
		o.Audit = a
	}), a
}

func TestAuditIsServedAsItIsVerified(t *testing.T) {
	s, a := audited(t)
	got := s.ask(http.MethodGet, "/api/v1/audit", "")
	if got.status != http.StatusOK {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	r, err := audit.VerifyExport(strings.NewReader(got.body))
	if err != nil || r.Wrong != 0 || r.Filtered || r.Head != a.head {
		t.Errorf("got %+v, %v of\n%s", r, err, got.body)
	}
}

func TestAuditComesInPages(t *testing.T) {
	s, _ := audited(t)
	whole := s.ask(http.MethodGet, "/api/v1/audit", "").body
	pages := s.ask(http.MethodGet, "/api/v1/audit?limit=2", "").body + s.ask(http.MethodGet, "/api/v1/audit?limit=2&after=2", "").body +
		s.ask(http.MethodGet, "/api/v1/audit?limit=2&after=4", "").body
	if n := strings.Count(pages, `"more":true`); n != 2 {
		t.Errorf("%d pages have more behind them, want 2:\n%s", n, pages)
	}
	r, err := audit.VerifyExport(strings.NewReader(pages))
	if err != nil || r.Wrong != 0 || r.Records != 5 {
		t.Errorf("got %+v, %v", r, err)
	}
	var records string
	for line := range strings.Lines(pages) {
		if !strings.HasPrefix(line, `{"end"`) {
			records += line
		}
	}
	if !strings.HasPrefix(whole, records) {
		t.Error("the pages hold something else than the whole")
	}
}

func TestAuditIsFiltered(t *testing.T) {
	s, _ := audited(t)
	for query, want := range map[string]int{
		"actor=ann-[13]": 2, "actor=bob": 0, "provider=cc&user=u1&credential=c*": 5, "provider=dd": 0,
		"since=2020-01-01T00:00:00Z": 5, "until=2020-01-01T00:00:00Z": 0,
	} {
		got := s.ask(http.MethodGet, "/api/v1/audit?"+query, "")
		if n := strings.Count(got.body, `"seq":`) - 1; got.status != http.StatusOK || n != want || !strings.Contains(got.body, `"filtered":true`) {
			t.Errorf("%s: got %d, %d records, want %d:\n%s", query, got.status, n, want, got.body)
		}
	}
}

func TestAuditThatEndsInTroubleSaysSo(t *testing.T) {
	s, a := audited(t)
	a.failsAt = 3
	got := s.ask(http.MethodGet, "/api/v1/audit", "")
	if _, err := audit.VerifyExport(strings.NewReader(got.body)); err == nil || !strings.Contains(err.Error(), "not complete") {
		t.Errorf("got %v of\n%s", err, got.body)
	}
}

func TestAuditIsRefused(t *testing.T) {
	s, _ := audited(t)
	for query, want := range map[string]int{"limit=0": 422, "after=-1": 422, "actor=[": 422, "since=yesterday": 422, "colour=red": 422} {
		if got := s.ask(http.MethodGet, "/api/v1/audit?"+query, ""); got.status != want {
			t.Errorf("%s: got %d %s, want %d", query, got.status, got.body, want)
		}
	}
	without := serve(t, fleet)
	if got := without.ask(http.MethodGet, "/api/v1/audit", ""); got.status != http.StatusNotFound {
		t.Errorf("without a record: got %d %s", got.status, got.body)
	}
}

// TestWhatIsRefusedIsRecorded asks for what the engine refuses: somebody wanted it, and that is worth knowing.
func TestWhatIsRefusedIsRecorded(t *testing.T) {
	const one = `{"provider":"cc","user":"u1","credential":"ci","actor":"eve"`
	tests := []struct{ kind, method, path, body string }{
		{"plan", http.MethodPost, "/api/v1/rotations", one + "}"},
		{"start_over", http.MethodPost, "/api/v1/rotations", one + `,"start_over":true}`},
		{"hold", http.MethodPost, "/api/v1/holds", one + `,"until":"2100-01-01T00:00:00Z","reason":"why"}`},
		{"release", http.MethodDelete, "/api/v1/holds?provider=cc&user=u1&credential=ci&actor=eve", ""},
		{"removal", http.MethodPost, "/api/v1/removals", one + "}"},
		{"supply", http.MethodPost, "/api/v1/supplies?provider=cc&user=u1&credential=ci&actor=eve", planted},
	}
	for _, test := range tests {
		t.Run(test.kind, func(t *testing.T) {
			a := &auditor{}
			s := serve(t, func(o *web.Options, s *site) {
				fleet(o, s)
				o.Audit = a
				s.operator.fails = map[string]error{"ci": rotator.NewFault("act", rotator.Conflict, "not now")}
			})
			kind := "application/json"
			if test.kind == "supply" {
				kind = "text/plain"
			}
			got := s.ask(test.method, test.path, test.body, "Content-Type", kind)
			told := a.told(t)
			want := test.kind + " refused unverified:eve "
			if got.status < 400 || len(told) != 1 || !strings.HasPrefix(told[0], want) || !strings.Contains(told[0], "not now") || strings.Contains(told[0], planted) {
				t.Errorf("got %d, and %q is recorded, want %q", got.status, told, want)
			}
		})
	}
}

func TestReloadsAndScansAreRecorded(t *testing.T) {
	s, a := audited(t)
	s.ask(http.MethodPost, "/-/reload", "")
	s.ask(http.MethodPost, "/api/v1/scan", "")
	told := a.told(t)[5:]
	if len(told) != 2 || !strings.HasPrefix(told[0], "reload done 127.0.0.1") || !strings.HasPrefix(told[1], "scan begun 127.0.0.1") {
		t.Errorf("got %q", told)
	}
}
