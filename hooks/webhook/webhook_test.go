package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/hooks"
	"github.com/rotatord/rotatord/hooks/webhook"
	notices "github.com/rotatord/rotatord/notify/webhook"
	"github.com/rotatord/rotatord/rotator"
)

func secret(text string) func() (rotator.Secret, error) {
	return func() (rotator.Secret, error) { return rotator.SecretString(text), nil }
}

func call() hooks.Call {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	run := rotator.HookRun{ID: "r1/2/app", Hook: "app", At: at, Rotation: "r1", CredentialID: rotator.CredentialID{Provider: "cc", UserID: "7", Base: "ci"},
		ServiceUser: "ci-bot", Policy: "ci", Version: 2, NewKey: rotator.KeyRef{ID: "12", Name: "ci-r0002"}, Fingerprint: "fp",
		Places: []rotator.HookPlace{{Sink: "vault", Location: "secret/data/ci"}}, Attempt: 3, Trouble: "it was down", Call: "r1/2/app"}
	return hooks.Call{ID: "r1/2/app", Hook: "app", Runs: []rotator.HookRun{run}}
}

// TestAConsumerIsToldByASignedEvent that names the key and its places, and is the same each time it is sent.
func TestAConsumerIsToldByASignedEvent(t *testing.T) {
	var bodies []string
	var header http.Header
	s := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		bodies, header = append(bodies, string(body)), r.Header
	}))
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	c := webhook.New(notices.Options{URL: secret(s.URL), Secret: secret("0123456789abcdef"), RootCAs: pool})
	for range 2 {
		if detail, err := c.Do(t.Context(), call()); err != nil || !strings.Contains(detail, "r1/2/app") {
			t.Fatalf("%q, %v", detail, err)
		}
	}
	if bodies[0] != bodies[1] {
		t.Error("the same call differs when it is made again")
	}
	mac := hmac.New(sha256.New, []byte("0123456789abcdef"))
	mac.Write([]byte(header.Get("Webhook-Id") + "." + header.Get("Webhook-Timestamp") + "." + bodies[1]))
	if header.Get("Webhook-Signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) || header.Get("Webhook-Id") != "r1/2/app" {
		t.Errorf("headers %v", header)
	}
	var e struct {
		ID, Type, Subject string
		Data              struct {
			ID, Hook string
			Keys     []map[string]any
		}
	}
	if err := json.Unmarshal([]byte(bodies[0]), &e); err != nil {
		t.Fatal(err)
	}
	if e.ID != "r1/2/app" || e.Type != webhook.EventType || e.Subject != "cc/7/ci" || e.Data.Hook != "app" || len(e.Data.Keys) != 1 ||
		e.Data.Keys[0]["id"] != "r1/2/app" || e.Data.Keys[0]["fingerprint"] != "fp" || strings.Contains(bodies[0], "it was down") {
		t.Errorf("told %s", bodies[0])
	}
}

// TestWhetherAConsumerMayHaveBeenTold is known from the answer.
func TestWhetherAConsumerMayHaveBeenTold(t *testing.T) {
	for status, want := range map[int]rotator.Kind{500: rotator.UnknownOutcome, 504: rotator.UnknownOutcome, 0: rotator.UnknownOutcome, 400: rotator.Invalid, 403: rotator.Denied} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if status == 0 {
				panic(http.ErrAbortHandler)
			}
			w.WriteHeader(status)
		}))
		_, err := webhook.New(notices.Options{URL: secret(s.URL + "/T0PSECRET")}).Do(t.Context(), call())
		s.Close()
		if rotator.KindOf(err) != want || strings.Contains(err.Error(), "T0PSECRET") {
			t.Errorf("%d: kind %s, want %s: %v", status, rotator.KindOf(err), want, err)
		}
	}
}
