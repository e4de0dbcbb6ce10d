package journal

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/audit"
)

// recorded opens a journal with n audit records.
func recorded(t *testing.T, n int) (s *Store, dir string) {
	t.Helper()
	dir = t.TempDir()
	s = openIn(t, dir, Options{})
	for i := range n {
		e := rotator.AuditEvent{Kind: rotator.AuditHold, Outcome: rotator.AuditDone, Actor: fmt.Sprint("ann-", i)}
		if err := s.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	return s, dir
}

// behindItsBack runs statements in the journal as somebody would who has the file.
func behindItsBack(t *testing.T, dir string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(filepath.Join(dir, "rotatord.db"), []string{"busy_timeout(2000)"}))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

// verifyFrom verifies the journal's file beside the store that has it open.
func verifyFrom(t *testing.T, dir string, anchors ...rotator.AuditHead) audit.Result {
	t.Helper()
	f, err := OpenAudit(t.Context(), filepath.Join(dir, "rotatord.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}()
	result, err := audit.VerifyChain(t.Context(), f, nil, anchors...)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestTamperingWithTheFileIsFound(t *testing.T) {
	tests := []struct {
		name   string
		change []string
		seq    int64
	}{
		{"a changed record", []string{`UPDATE audit SET record = replace(record, 'ann-3', 'bob-3') WHERE seq = 4`}, 4},
		{"a changed time", []string{`UPDATE audit SET at = at + 1 WHERE seq = 5`}, 5},
		{"a changed hash", []string{`UPDATE audit SET hash = zeroblob(32) WHERE seq = 6`}, 6},
		{"a short hash", []string{`UPDATE audit SET hash = x'00' WHERE seq = 6`}, 6},
		{"a removed record", []string{`DELETE FROM audit WHERE seq = 7`}, 7},
		{"the first one removed", []string{`DELETE FROM audit WHERE seq = 1`}, 1},
		{"the last one removed", []string{`DELETE FROM audit WHERE seq = 10`}, 10},
		{"two exchanged", []string{`UPDATE audit SET seq = -1 WHERE seq = 4`, `UPDATE audit SET seq = 4 WHERE seq = 5`, `UPDATE audit SET seq = 5 WHERE seq = -1`}, 4},
		{"one inserted at the end", []string{`INSERT INTO audit SELECT 11, at, record, hash FROM audit WHERE seq = 10`}, 11},
		{"everything removed", []string{`DELETE FROM audit`}, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, dir := recorded(t, 10)
			if r := verifyFrom(t, dir); r.Wrong != 0 || r.Records != 10 {
				t.Fatalf("before: %+v", r)
			}
			behindItsBack(t, dir, test.change...)
			r := verifyFrom(t, dir)
			if !slices.ContainsFunc(r.Findings, func(f audit.Finding) bool { return f.Seq == test.seq }) {
				t.Errorf("record %d is not named: %v", test.seq, r.Findings)
			}
		})
	}
}

func TestWhatIsMissingFromTheEndStaysMissing(t *testing.T) {
	s, dir := recorded(t, 5)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	behindItsBack(t, dir, `DELETE FROM audit WHERE seq = 5`)
	again := openIn(t, dir, Options{})
	if err := again.Record(t.Context(), rotator.AuditEvent{Kind: rotator.AuditStart, Outcome: rotator.AuditDone}); err != nil {
		t.Fatal(err)
	}
	if r := verifyFrom(t, dir); r.Wrong != 1 || r.Findings[0].Seq != 5 || r.Head.Seq != 6 {
		t.Errorf("got %+v", r)
	}
}

// TestOnlyAnAnchorFindsAChainThatWasWrittenAnew is what the documentation says of the chain's limits.
func TestOnlyAnAnchorFindsAChainThatWasWrittenAnew(t *testing.T) {
	s, dir := recorded(t, 5)
	kept, err := s.AuditHead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	forged, forgedDir := recorded(t, 0)
	for range 5 {
		if err := forged.Record(t.Context(), rotator.AuditEvent{Kind: rotator.AuditHold, Outcome: rotator.AuditDone, Note: "nothing happened"}); err != nil {
			t.Fatal(err)
		}
	}
	if r := verifyFrom(t, forgedDir); r.Wrong != 0 {
		t.Errorf("without an anchor: %v", r.Findings)
	}
	if r := verifyFrom(t, forgedDir, kept); r.Wrong != 1 || !strings.Contains(r.Findings[0].What, "written anew") {
		t.Errorf("with the anchor: %v", r.Findings)
	}
	if r := verifyFrom(t, dir, kept); r.Wrong != 0 {
		t.Errorf("the chain that the anchor is of: %v", r.Findings)
	}
}

func TestOpenAuditOfWhatHasNone(t *testing.T) {
	if _, err := OpenAudit(t.Context(), filepath.Join(t.TempDir(), "none.db")); err == nil || !strings.Contains(err.Error(), "none.db") {
		t.Errorf("of a file that is not there: %v", err)
	}
	dir := t.TempDir()
	behindItsBack(t, dir, `CREATE TABLE goose_db_version (version_id INTEGER, is_applied INTEGER)`, `INSERT INTO goose_db_version VALUES (3, 1)`)
	if _, err := OpenAudit(t.Context(), filepath.Join(dir, "rotatord.db")); expect(err, rotator.Invalid, "older rotatord") != nil {
		t.Errorf("of an old journal: %v", err)
	}
}

// TestARefusedRequestLeavesNoRecord has one of many in a transaction refused.
func TestARefusedRequestLeavesNoRecord(t *testing.T) {
	s, dir := recorded(t, 1)
	release := s.hold(t)
	errs := make(chan error, 2)
	go func() { errs <- s.Commit(t.Context(), planned(1)) }()
	go func() { errs <- s.Commit(t.Context(), planned(1)) }()
	s.awaitQueued(2)
	release()
	first, second := <-errs, <-errs
	if (first == nil) == (second == nil) {
		t.Fatalf("one of the two had to be refused: %v, %v", first, second)
	}
	if r := verifyFrom(t, dir); r.Wrong != 0 || r.Records != 2 {
		t.Errorf("got %+v", r)
	}
}
