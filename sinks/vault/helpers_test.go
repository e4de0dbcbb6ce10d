package vault_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/sinks/vault"
)

const secret = "S3CR3T-of-the-test"

func delivery(t testing.TB, s rotator.Sink, version int) rotator.Delivery {
	t.Helper()
	c := rotator.Coordinates{Provider: "p", UserID: "1", ServiceUser: "robot", Credential: "ci"}
	location, err := s.Location(c)
	if err != nil {
		t.Fatal(err)
	}
	return rotator.Delivery{
		Coordinates: c, Location: location, Version: version, KeyID: fmt.Sprint(10 + version), KeyName: rotator.KeyName("ci", version),
		Rotation: fmt.Sprintf("r%d", version), Fingerprint: fmt.Sprintf("f%d", version),
		Expires: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Secret: rotator.SecretString(fmt.Sprintf("%s-%d", secret, version)),
	}
}

func deliver(t testing.TB, s rotator.Sink, d rotator.Delivery) rotator.Receipt {
	t.Helper()
	receipt, err := s.Deliver(t.Context(), d)
	if err != nil {
		t.Fatalf("deliver version %d: %v", d.Version, err)
	}
	return receipt
}

func refused(t testing.TB, s rotator.Sink, d rotator.Delivery, want rotator.Kind, words string) {
	t.Helper()
	_, err := s.Deliver(t.Context(), d)
	wantFault(t, err, want, words)
}

func wantFault(t testing.TB, err error, want rotator.Kind, words string) {
	t.Helper()
	if err == nil || rotator.KindOf(err) != want || !strings.Contains(err.Error(), words) {
		t.Fatalf("it ended with %v; want a fault of kind %s that says %q", err, want, words)
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("the error holds the secret: %v", err)
	}
}

func observe(t testing.TB, s rotator.Sink, d rotator.Delivery) rotator.Observation {
	t.Helper()
	o, err := s.Observe(t.Context(), d.Coordinates, d.Location)
	if err != nil {
		t.Fatalf("observe: %v", err)
	}
	return o
}

// log collects what an Observer is told.
type log struct {
	mu   sync.Mutex
	seen []vault.Request
}

func (l *log) observe(r vault.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, r)
}

func (l *log) count(operation string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, r := range l.seen {
		if r.Operation == operation {
			n++
		}
	}
	return n
}

// until repeats act, which must not fail, until the effect is there.
func until(t *testing.T, act func() error, effect func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !effect() {
		if err := act(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ctx.Done():
			t.Fatal("the effect did not come within 30 s")
		case <-tick.C:
		}
	}
}

// tokenFor makes a token with the policy, and further settings of auth/token/create.
func tokenFor(t testing.TB, root *api.Client, policy string, settings map[string]any) string {
	t.Helper()
	all := map[string]any{"policies": []string{policy}}
	for key, value := range settings {
		all[key] = value
	}
	return write(t, root, "auth/token/create", all).Auth.ClientToken
}

// putToken writes a file that is replaced in one step, as agents do.
func putToken(t testing.TB, path, token string) {
	t.Helper()
	next := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(next, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}
