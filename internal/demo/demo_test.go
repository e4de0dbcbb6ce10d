package demo

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
)

func TestOptionsAreChecked(t *testing.T) {
	for _, tc := range []struct {
		name string
		o    Options
		want string
	}{
		{"good", Options{For: shortest}, ""},
		{"good with Vault", Options{For: shortest, VaultAddress: "http://127.0.0.1:8200", VaultToken: "t"}, ""},
		{"too short", Options{For: shortest - 1}, "shows nothing"},
		{"negative", Options{For: -time.Minute}, "shows nothing"},
		{"an address alone", Options{For: shortest, VaultAddress: "http://127.0.0.1:8200"}, "VAULT_TOKEN"},
		{"a token alone", Options{For: shortest, VaultToken: "t"}, "--vault-address"},
	} {
		err := tc.o.Check()
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}

func TestVerdict(t *testing.T) {
	consumers := func(calls, refused int64) []*consumer {
		c := &consumer{}
		c.calls.Store(calls)
		c.refused.Store(refused)
		return []*consumer{c, {}}
	}
	for _, tc := range []struct {
		name           string
		done           int
		calls, refused int64
		want           string
		err            error
	}{
		{"as it should be", 3, 900, 0, "VERDICT: keys were replaced with overlap, and not one call was refused.", nil},
		{"a call was refused", 3, 900, 1, "VERDICT: failed", ErrFailed},
		{"nobody called", 3, 0, 0, "VERDICT: failed", ErrFailed},
		{"nothing ended", 0, 900, 0, "VERDICT: no key got through", ErrFailed},
	} {
		var out bytes.Buffer
		s := newStory(&out, false)
		s.done["certcentral"] = tc.done
		if err := s.verdict(consumers(tc.calls, tc.refused), []*system{{name: "certcentral"}, {name: "dataspot"}}); !errors.Is(err, tc.err) {
			t.Errorf("%s: %v", tc.name, err)
		}
		if !strings.Contains(out.String(), tc.want) {
			t.Errorf("%s: %s", tc.name, out.String())
		}
	}
}

// lines is a terminal.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func TestAConsumerCountsWhatWasRefused(t *testing.T) {
	var out lines
	status := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-DC-DEVKEY") != "from the file" {
			t.Errorf("it calls with %q", r.Header.Get("X-DC-DEVKEY"))
		}
		w.WriteHeader(status)
	}))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "key")
	c := &consumer{name: "ci-build", file: file, url: s.URL, header: "X-DC-DEVKEY", key: "by hand", story: newStory(&out, true)}
	c.read()
	if c.key != "by hand" {
		t.Error("without a file it has another key")
	}
	if err := os.WriteFile(file, []byte("from the file"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.read()
	c.call(t.Context())
	status = http.StatusForbidden
	c.call(t.Context())
	s.Close()
	c.call(t.Context()) // nobody answers: that is no refusal
	if calls, refused := c.calls.Load(), c.refused.Load(); calls != 2 || refused != 1 {
		t.Errorf("%d calls, %d refused", calls, refused)
	}
	if !strings.Contains(out.text.String(), "\x1b[31;1mREFUSED") || !strings.Contains(out.text.String(), "403") {
		t.Errorf("it tells %q", out.text.String())
	}
}

func TestTheStoryTellsOfTrouble(t *testing.T) {
	var out lines
	s := newStory(&out, false)
	r := rotator.Rotation{ID: "r1", CredentialID: rotator.CredentialID{Base: "ci-build"}, Stage: rotator.StageDelivering, Trouble: "sink disk: full"}
	s.Moved(r.Stage, &r, "")
	s.Moved(r.Stage, &r, "") // the same trouble is told once
	r.Stage, r.Why = rotator.StageAbandoned, "refused since it was made"
	s.Moved(rotator.StageAbandoning, &r, "")
	s.Scanned("certcentral", engine.ScanResult{}, 0, errors.New("it is away"))
	text := out.text.String()
	for _, want := range []string{"sink disk: full", "abandoned: refused since it was made", "the scan failed: it is away"} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%q is not told once:\n%s", want, text)
		}
	}
}

// TestTheDemoShowsWholeLives plays it: 40 seconds are enough for every key.
func TestTheDemoShowsWholeLives(t *testing.T) {
	t.Parallel()
	var out lines
	err := Run(t.Context(), Options{For: 40 * time.Second, Out: &out, Listen: "127.0.0.1:0", Version: "test"})
	text := out.text.String()
	if err != nil {
		t.Fatalf("Run: %v\n%s", err, text)
	}
	for _, want := range []string{
		`certcentral +http://127\.0\.0\.1:\d+/services/v2 \(an emulated DigiCert CertCentral\)`, `digicert-one +http://127`, `dataspot +http://127`,
		`page +http://127\.0\.0\.1:\d+/`, `vault +none`,
		`certcentral: the first scan sees 2 service users, 3 keys, 2 of them managed`,
		`digicert-one: the first scan sees 1 service users, 1 keys, 1 of them managed`,
		`dataspot: the first scan sees \d service users, 1 keys, 1 of them managed`,
		`ci-build +due +certcentral key`, `web-shop +due`, `signing +due +digicert-one key signing`, `catalogue +due +dataspot key catalogue`,
		`lost +the connection broke while the key was made`,
		`ci-build +minted`, `ci-build +waiting +the provider does not accept key`, `ci-build +proven`, `ci-build +delivered +read back from disk`, `ci-build +overlap`,
		`ci-build +consumer +reads its file again`, `ci-build +revoked +key ci-build \(700002\)`, `web-shop +revoked`,
		`signing +off +key signing is switched off`, `signing +revoked +key signing`,
		`catalogue +asks +In dataspot`, `catalogue +person +makes key catalogue-r0001`, `catalogue +minted +key catalogue-r0001`,
		`catalogue +asks +every consumer has the new key`, `catalogue +person +removes key catalogue `, `catalogue +revoked .*removed by a person`,
		`Rotations completed: \d+ \(certcentral [1-9], digicert-one [1-9], dataspot [1-9]\)\. Calls by consumers: \d{3,}, refused: 0\.`, `VERDICT: keys were replaced`,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("the story does not tell %q", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestTheDemoEndsWhenItIsInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	out := &interrupter{cancel: cancel}
	began := time.Now()
	err := Run(ctx, Options{For: time.Hour, Out: out, Listen: "127.0.0.1:0"})
	if !errors.Is(err, ErrFailed) { // nothing got through its life
		t.Errorf("Run: %v", err)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it went on for %s", took)
	}
}

// interrupter presses ctrl-C when the first scan is told.
type interrupter struct {
	lines
	cancel context.CancelFunc
}

func (i *interrupter) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("the first scan")) {
		i.cancel()
	}
	return i.lines.Write(p)
}

func TestTheDemoSaysWhyItCannotStart(t *testing.T) {
	err := Run(t.Context(), Options{For: time.Hour, Out: new(lines), Listen: "127.0.0.1:notaport"})
	if err == nil || !strings.Contains(err.Error(), "server.listen") {
		t.Errorf("Run: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "rotatord-demo-*", "rotatord.yaml")); err != nil || anyOfThisTest(left) {
		t.Errorf("it left %v, %v", left, err)
	}
}

// anyOfThisTest reports whether one of the files was made by this test.
func anyOfThisTest(files []string) bool {
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil && bytes.Contains(text, []byte("notaport")) {
			return true
		}
	}
	return false
}
