package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/internal/report"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/web"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func days(n int) *int { return &n }

// fleet is a managed key of which everything is known, and one of which nothing is.
func fleet() []*web.ReportedKey {
	return []*web.ReportedKey{
		{
			CredentialName: web.CredentialName{Provider: "cc", UserID: "17", Credential: "deploy"}, Key: web.KeyName{ID: "42", Name: "deploy-r0002"},
			User:  web.ReportedUser{Name: "ci-build", Email: "ci@example.com", Active: true, Listed: true},
			Class: "managed", State: "active", Created: noon.Add(-30 * 24 * time.Hour), AgeDays: days(30), LastUsed: noon.Add(-time.Hour), ReportsUse: true,
			Policy: "monthly", Labels: map[string]string{"team": "platform", "cost": "42"}, Deadline: noon.Add(60 * 24 * time.Hour), NextRotation: noon.Add(30 * 24 * time.Hour),
			Expires:      noon.Add(90 * 24 * time.Hour),
			LastRotation: &web.ReportedRotation{ID: "r-1", Stage: "done", At: noon.Add(-30 * 24 * time.Hour)},
			Evidence:     []web.Evidence{{Sink: "vault", Location: "secret/ci", At: noon}, {Sink: "disk", Location: "/keys/ci", At: noon}},
			Findings:     []web.ReportFinding{{Kind: "inactive_user", Why: "it cannot sign in"}, {Kind: "not_moving", Why: "blocked"}},
		},
		{CredentialName: web.CredentialName{Provider: "cc", UserID: "18", Credential: "x"}, Key: web.KeyName{ID: "43", Name: "x"}, Class: "unmanaged", State: "active"},
	}
}

func summary(keys []*web.ReportedKey) *web.ReportSummary {
	s := &web.ReportSummary{GeneratedAt: noon, Version: "1.2.3", UnusedFor: "2160h", Keys: len(keys), Classes: map[string]int{}, Findings: map[string]int{}}
	for _, k := range keys {
		s.Classes[k.Class]++
		for _, f := range k.Findings {
			s.Findings[f.Kind]++
		}
	}
	return s
}

// render writes a whole report.
func render(t *testing.T, format string, o report.Options, keys ...*web.ReportedKey) string {
	t.Helper()
	var out bytes.Buffer
	w, err := report.New(format, &out, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if err := w.Key(k); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Finish(summary(keys)), w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTable(t *testing.T) {
	want := `PROVIDER  SERVICE USER  CREDENTIAL  KEY ID  CLASS      AGE  EXPIRES     LAST USED   POLICY   NEXT ROTATION  FINDINGS
cc        ci-build      deploy      42      managed    30d  2026-05-30  2026-03-01  monthly  2026-03-31     inactive_user not_moving
cc        18            x           43      unmanaged  -    never       -           -        -

2 keys, as of 2026-03-01 12:00 UTC
  managed            1    no_expiry             0
  held               0    too_old               0
  unmanaged          1    unused                0
  orphaned           0    never_used            0
  inactive           0    inactive_user         1
  expired            0    unknown_user          0
  gone               0    superseded            0
                          observe_only          0
                          not_moving            1
`
	if diff := cmp.Diff(want, render(t, "table", report.Options{}, fleet()...)); diff != "" {
		t.Error(diff)
	}
}

// grouped counts by a label that one key has.
func grouped() *web.ReportSummary {
	s := summary(fleet())
	s.By = "team"
	s.Groups = []web.ReportGroup{
		{Value: "plat<form>", Keys: 12345, Against: 1, Classes: map[string]int{"managed": 12345}},
		{Keys: 1, Classes: map[string]int{"unmanaged": 1}},
	}
	return s
}

func finish(t *testing.T, format string, s *web.ReportSummary) string {
	t.Helper()
	var out bytes.Buffer
	w, err := report.New(format, &out, report.Options{})
	if err == nil {
		err = errors.Join(w.Finish(s), w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestCountsByALabel(t *testing.T) {
	const want = `
  BY TEAM      KEYS  MANAGED  HELD  UNMANAGED  ORPHANED  INACTIVE  EXPIRED  GONE  WITH FINDINGS
  plat<form>  12345    12345     0          0         0         0        0     0              1
  (without)       1        0     0          1         0         0        0     0              0
`
	if got := finish(t, "table", grouped()); !strings.HasSuffix(got, want) {
		t.Errorf("got\n%s\nwant it to end with\n%s", got, want)
	}
	page := finish(t, "html", grouped())
	for _, want := range []string{"<h2>By team</h2>", "<td>plat&lt;form&gt;</td><td>12345</td><td>12345</td>", "<td>(without)</td><td>1</td>", `<td><span class="finding">1</span></td>`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if got := finish(t, "html", summary(fleet())); strings.Contains(got, "<h2>By") {
		t.Error("a page that was not asked to count by a label has a place for it")
	}
	if got := finish(t, "json", grouped()); !strings.Contains(got, `"by":"team","groups":[{"value":"plat`) {
		t.Errorf("got %s", got)
	}
}

func TestTableOfNothing(t *testing.T) {
	got := render(t, "table", report.Options{})
	if !strings.HasPrefix(got, "0 keys, as of 2026-03-01 12:00 UTC\n") {
		t.Errorf("got %q", got)
	}
}

func TestWideTableHasEveryColumn(t *testing.T) {
	got := render(t, "table", report.Options{Wide: true}, fleet()...)
	for _, want := range []string{"OWNER", "cost=42 team=platform", "EVIDENCE", "vault disk", "ci@example.com", "deploy-r0002", "r-1", "done", "DEADLINE", "2026-04-30"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

func TestTableSaysWhatIsUnderWay(t *testing.T) {
	k := fleet()[0]
	k.Rotating = &web.ReportedRotation{ID: "r-2", Stage: "grace"}
	if got := render(t, "table", report.Options{}, k); !strings.Contains(got, "grace now") {
		t.Errorf("got\n%s", got)
	}
}

func TestTableGrowsWithLaterKeys(t *testing.T) {
	var keys []*web.ReportedKey
	for i := range 700 {
		k := fleet()[1]
		k.Key.ID = fmt.Sprint("k", i)
		if i == 600 {
			k.Key.ID = "a-very-much-longer-id"
		}
		keys = append(keys, k)
	}
	got := strings.Split(render(t, "table", report.Options{}, keys...), "\n")
	if got[1] != "cc        18            x           k0      unmanaged  -    never    -          -       -" {
		t.Errorf("the first key is %q", got[1])
	}
	for i := 1; i <= 700; i++ {
		if !strings.Contains(got[i], keys[i-1].Key.ID+" ") {
			t.Fatalf("line %d is %q, want key %s", i, got[i], keys[i-1].Key.ID)
		}
	}
	if strings.Index(got[602], "unmanaged") != strings.Index(got[601], "unmanaged") {
		t.Errorf("the columns after a wide cell are\n%s\n%s", got[601], got[602])
	}
}

func TestColourHasNoWidth(t *testing.T) {
	got := render(t, "table", report.Options{Colour: true}, fleet()...)
	if !strings.Contains(got, "\x1b[32mmanaged\x1b[0m    30d") || !strings.Contains(got, "\x1b[33munmanaged\x1b[0m  -") {
		t.Errorf("got %q", got)
	}
}

func TestTableLetsNoNameMoveTheCursor(t *testing.T) {
	k := fleet()[0]
	k.User.Name = "evil\x1b[2J\r\n\u202ename"
	if got := render(t, "table", report.Options{}, k); strings.ContainsAny(got, "\x1b\r\u202e") || !strings.Contains(got, "evil\uFFFD[2J\uFFFD\uFFFD\uFFFDname") {
		t.Errorf("got %q", got)
	}
}

// sheet reads a report as CSV, by names.
func sheet(t *testing.T, text string) []map[string]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]string
	for _, row := range rows[1:] {
		m := map[string]string{}
		for i, name := range rows[0] {
			if row[i] != "" {
				m[name] = row[i]
			}
		}
		out = append(out, m)
	}
	return out
}

func TestCSV(t *testing.T) {
	want := []map[string]string{
		{"provider": "cc", "service_user": "ci-build", "user_id": "17", "email": "ci@example.com", "credential": "deploy", "key_name": "deploy-r0002", "key_id": "42",
			"class": "managed", "created": "2026-01-30T12:00:00Z", "age_days": "30", "expires": "2026-05-30T12:00:00Z", "last_used": "2026-03-01T11:00:00Z", "policy": "monthly",
			"labels": "cost=42 team=platform", "deadline": "2026-04-30T12:00:00Z", "next_rotation": "2026-03-31T12:00:00Z", "last_rotation": "2026-01-30T12:00:00Z",
			"last_rotation_id": "r-1", "last_rotation_result": "done", "evidence": "vault 2026-03-01T12:00:00Z; disk 2026-03-01T12:00:00Z",
			"findings": "inactive_user not_moving", "why": "it cannot sign in; blocked"},
		{"provider": "cc", "user_id": "18", "credential": "x", "key_name": "x", "key_id": "43", "class": "unmanaged"},
	}
	if diff := cmp.Diff(want, sheet(t, render(t, "csv", report.Options{}, fleet()...))); diff != "" {
		t.Error(diff)
	}
	if got := render(t, "csv", report.Options{}); !strings.HasPrefix(got, "provider,service_user,") || strings.Count(got, "\n") != 1 {
		t.Errorf("a sheet without keys is %q, want its names alone", got)
	}
}

func TestNoCellOfASheetIsAFormula(t *testing.T) {
	for _, name := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"} {
		k := fleet()[0]
		k.User.Name, k.Key.Name = name, "a"+name
		got := sheet(t, render(t, "csv", report.Options{}, k))[0]
		if strings.ReplaceAll(got["service_user"], "\n", "") != "'"+strings.NewReplacer("\n", "").Replace(name) {
			t.Errorf("%q became %q", name, got["service_user"])
		}
		if strings.HasPrefix(got["key_name"], "'") {
			t.Errorf("%q became %q", "a"+name, got["key_name"])
		}
	}
}

func TestJSON(t *testing.T) {
	for _, keys := range [][]*web.ReportedKey{nil, fleet()[:1], fleet()} {
		var got struct {
			Keys    []*web.ReportedKey
			Summary *web.ReportSummary
		}
		text := render(t, "json", report.Options{}, keys...)
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if len(got.Keys) != len(keys) || got.Summary == nil || got.Summary.Keys != len(keys) {
			t.Errorf("of %d keys: %s", len(keys), text)
		}
		if len(keys) > 0 {
			if diff := cmp.Diff(keys[0], got.Keys[0]); diff != "" {
				t.Error(diff)
			}
		}
	}
}

func TestPage(t *testing.T) {
	keys := fleet()
	keys[0].Hold = &web.ReportedHold{By: "ada", Until: noon, Reason: "release week"}
	keys[0].Rotating = &web.ReportedRotation{ID: "r-2", Stage: "grace", Blocked: "old_key_in_use"}
	keys[1].User.Name, keys[1].MissingSince = `<script>alert(1)</script>`, noon
	got := render(t, "html", report.Options{Only: "class managed"}, keys...)
	for _, want := range []string{
		"<title>Key report, 2026-03-01 12:00 UTC</title>", "2 keys, as of <time>2026-03-01 12:00 UTC</time>", "Only class managed",
		`<b>1</b>managed`, `<b>0</b>orphaned`, `<b>1</b>not_moving`, `<b>0</b>too_old`, "ci-build", "ci@example.com", "deploy-r0002", "30 days",
		"2026-05-30", "gone by</span> 2026-04-30", "cost=42 team=platform", "last done 2026-01-30 12:00 UTC", "vault", "it cannot sign in", "release week",
		"now grace, blocked: old_key_in_use", "not listed since 2026-03-01", "&lt;script&gt;", "rotatord 1.2.3", "</html>",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in the page", want)
		}
	}
	for _, bad := range []string{"<script", "http://", "https://", "src=", "url(", "ZgotmplZ", "%!"} {
		if strings.Contains(got, bad) {
			t.Errorf("the page holds %q, and must need nothing else", bad)
		}
	}
}

// TestPageExplainsEverything holds that no class or finding stands on the page without words.
func TestPageExplainsEverything(t *testing.T) {
	got := render(t, "html", report.Options{})
	if strings.Contains(got, "<dd></dd>") || strings.Count(got, "<dd>") != len(rotator.Classes())+len(rotator.Findings()) {
		t.Error("a count has no words under it")
	}
}

func TestUnknownFormat(t *testing.T) {
	if _, err := report.New("pdf", io.Discard, report.Options{}); err == nil || !strings.Contains(err.Error(), `"pdf"`) {
		t.Errorf("got %v", err)
	}
}

// full is a disk with no room left.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestAFullDiskIsTold(t *testing.T) {
	for _, format := range report.Formats() {
		t.Run(format, func(t *testing.T) {
			w, err := report.New(format, full{}, report.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range fleet() {
				err = errors.Join(err, w.Key(k))
			}
			err = errors.Join(err, w.Finish(summary(fleet())), w.Close())
			if err == nil || !strings.Contains(err.Error(), "no space left") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestToFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keys.csv")
	say := func(text string, err error) func(io.Writer) error {
		return func(w io.Writer) error {
			_, failed := io.WriteString(w, text)
			return errors.Join(failed, err)
		}
	}
	holds := func(want string) {
		t.Helper()
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("the file holds %q, %v; want %q", got, err, want)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Errorf("the folder holds %v, %v; want the report alone", entries, err)
		}
	}
	if err := report.ToFile(path, say("first", nil)); err != nil {
		t.Fatal(err)
	}
	holds("first")
	broken := errors.New("cut short")
	if err := report.ToFile(path, say("half", broken)); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	holds("first")
	if err := report.ToFile(path, say("second", nil)); err != nil {
		t.Fatal(err)
	}
	holds("second")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("got %v, %v; want mode 0640", info.Mode(), err)
	}
	if err := report.ToFile(filepath.Join(dir, "none", "keys.csv"), say("", nil)); err == nil {
		t.Error("a folder that does not exist is no error")
	}
	if err := report.ToFile(dir, say("", nil)); err == nil {
		t.Error("a folder in the report's place is no error")
	}
}
