package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/notify"
	"github.com/rotatord/rotatord/notify/webhook"
	"github.com/rotatord/rotatord/rotator"
)

// receiver is a server that takes messages, and answers as told.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	answer  http.HandlerFunc
	headers []http.Header
	bodies  []string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.headers, r.bodies = append(r.headers, q.Header), append(r.bodies, string(body))
		if r.answer != nil {
			r.answer(w, q)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// path is a part of the address that nobody may see.
const path = "/services/T0PSECRET"

func secret(text string) func() (rotator.Secret, error) {
	return func() (rotator.Secret, error) { return rotator.SecretString(text), nil }
}

func (r *receiver) sender(f webhook.Format, signing string) *webhook.Sender {
	pool := x509.NewCertPool()
	pool.AddCert(r.Certificate())
	o := webhook.Options{Format: f, URL: secret(r.URL + path + "\n"), RootCAs: pool, Timeout: 5 * time.Second}
	if signing != "" {
		o.Secret = secret(signing)
	}
	return webhook.New(o)
}

func message(kinds ...rotator.NoticeKind) notify.Message {
	m := notify.Message{ID: "20261122-k3v9/8@channel:ops", To: "channel:ops"}
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for i, k := range kinds {
		m.Notices = append(m.Notices, rotator.Notice{
			ID: fmt.Sprintf("r%d/8@channel:ops", i), At: at, Kind: k, To: m.To, Message: m.ID, Attempt: 3, Trouble: "it was down",
			CredentialID: rotator.CredentialID{Provider: "cc", UserID: "7", Base: "deploy"}, ServiceUser: "<!channel> *ci*", Rotation: "r" + fmt.Sprint(i),
			GraceUntil: at.Add(7 * 24 * time.Hour), Deadline: at.Add(20 * 24 * time.Hour), Why: "make it on\nthe [page](http://x)",
		})
	}
	return m
}

func (r *receiver) send(t *testing.T, s *webhook.Sender, m notify.Message) (http.Header, string) {
	t.Helper()
	if err := s.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.headers[len(r.headers)-1], r.bodies[len(r.bodies)-1]
}

func TestCloudEventIsSigned(t *testing.T) {
	key := []byte("0123456789abcdef")
	for name, signing := range map[string]string{"base64": "whsec_" + base64.StdEncoding.EncodeToString(key), "plain": string(key)} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t)
			h, body := r.send(t, r.sender(webhook.CloudEvents, signing), message(rotator.NoticeReplaced, rotator.NoticeAwaitingSupply))
			mac := hmac.New(sha256.New, key)
			mac.Write([]byte(h.Get("Webhook-Id") + "." + h.Get("Webhook-Timestamp") + "." + body))
			if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); h.Get("Webhook-Signature") != want {
				t.Errorf("signed %q, want %q", h.Get("Webhook-Signature"), want)
			}
			if h.Get("Content-Type") != "application/cloudevents+json" {
				t.Errorf("sent as %q", h.Get("Content-Type"))
			}
		})
	}
}

func TestCloudEventTellsTheNotices(t *testing.T) {
	r := newReceiver(t)
	s := r.sender(webhook.CloudEvents, "")
	m := message(rotator.NoticeReplaced, rotator.NoticeAwaitingSupply)
	h, body := r.send(t, s, m)
	var e struct {
		SpecVersion, ID, Source, Type, Subject string
		Time                                   time.Time
		Data                                   struct{ Notices []map[string]any }
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatal(err)
	}
	if e.SpecVersion != "1.0" || e.ID != m.ID || e.Source == "" || e.Type == "" || !e.Time.Equal(m.Notices[0].At) || len(e.Data.Notices) != 2 {
		t.Fatalf("%+v", e)
	}
	first, second := e.Data.Notices[0], e.Data.Notices[1]
	if first["headline"] != "the key was replaced, the old one works until 29 November 2026" || first["asks_for_action"] != false || second["asks_for_action"] != true {
		t.Errorf("told %v, %v", first, second)
	}
	for _, field := range []string{"attempt", "trouble", "message"} {
		if _, ok := first[field]; ok {
			t.Errorf("told of its own delivery: %s", field)
		}
	}
	if h.Get("Webhook-Signature") != "" {
		t.Error("signed without a secret")
	}
	if _, again := r.send(t, s, m); again != body {
		t.Error("the same message differs when it is sent again")
	}
	if _, one := r.send(t, s, message(rotator.NoticeRevoked)); !strings.Contains(one, `"subject":"cc/7/deploy"`) {
		t.Errorf("no subject in %s", one)
	}
}

func TestChatsAreToldHarmlessLines(t *testing.T) {
	for f, want := range map[webhook.Format][]string{
		webhook.Slack: {"ACTION NEEDED: cc: &lt;!channel&gt; *ci*/deploy: please make a new key before 12 December 2026, 12:00 UTC. make it on the [page](http://x) (rotation r1)"},
		webhook.Teams: {`<!channel> \*ci\*/deploy: please make a new key before 12 December 2026, 12:00 UTC. make it on the \[page\](http://x) (rotation r1)`, "AdaptiveCard"},
	} {
		t.Run(string(f), func(t *testing.T) {
			r := newReceiver(t)
			h, body := r.send(t, r.sender(f, ""), message(rotator.NoticeRevoked, rotator.NoticeAwaitingSupply))
			var parsed any
			if err := json.Unmarshal([]byte(body), &parsed); err != nil {
				t.Fatal(err)
			}
			text := texts(parsed)
			for _, w := range append(want, "the old key was revoked (rotation r0)") {
				if !strings.Contains(text, w) {
					t.Errorf("no %q in\n%s", w, text)
				}
			}
			if h.Get("Webhook-Id") != "" || h.Get("Content-Type") != "application/json" {
				t.Errorf("headers %v", h)
			}
		})
	}
}

// texts are all strings in a JSON value, one a line.
func texts(v any) string {
	switch v := v.(type) {
	case string:
		return v + "\n"
	case []any:
		all := ""
		for _, x := range v {
			all += texts(x)
		}
		return all
	case map[string]any:
		all := ""
		for _, x := range v {
			all += texts(x)
		}
		return all
	default:
		return ""
	}
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		outage bool
		kind   rotator.Kind
		words  string
	}{
		{"it is down", status(503), true, rotator.Transient, "503"},
		{"too many", status(429), true, rotator.Transient, "429"},
		{"gone", status(410), true, rotator.Denied, "check the url"},
		{"not signed as it wants", status(401), true, rotator.Denied, "signing secret"},
		{"does not take this one", status(413), false, rotator.Invalid, "does not take this message"},
		{"redirect", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://elsewhere.example.com/")
			w.WriteHeader(http.StatusFound)
		}, true, rotator.Invalid, "redirect is not followed"},
		{"cut off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, true, rotator.Transient, "EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newReceiver(t)
			r.answer = c.answer
			err := r.sender(webhook.CloudEvents, "whsec_eA==").Send(t.Context(), message(rotator.NoticeRevoked))
			if errors.Is(err, notify.ErrOutage) != c.outage || rotator.KindOf(err) != c.kind || err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("outage %v, kind %s: %v", errors.Is(err, notify.ErrOutage), rotator.KindOf(err), err)
			}
			if strings.Contains(err.Error(), "T0PSECRET") {
				t.Errorf("the error shows the address: %v", err)
			}
		})
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func TestBadSettingsAreNotSent(t *testing.T) {
	broken := func() (rotator.Secret, error) { return rotator.Secret{}, errors.New("no such file") }
	for name, o := range map[string]webhook.Options{
		"no url":            {Format: webhook.CloudEvents, URL: broken},
		"not encrypted":     {Format: webhook.CloudEvents, URL: secret("http://hooks.example.com/T0PSECRET")},
		"a password in it":  {Format: webhook.CloudEvents, URL: secret("https://u:T0PSECRET@hooks.example.com/")},
		"not an address":    {Format: webhook.CloudEvents, URL: secret("T0PSECRET")},
		"unreadable secret": {Format: webhook.CloudEvents, URL: secret("https://127.0.0.1:1/T0PSECRET"), Secret: broken},
		"bad secret":        {Format: webhook.CloudEvents, URL: secret("https://127.0.0.1:1/T0PSECRET"), Secret: secret("whsec_***T0PSECRET")},
		"nobody answers":    {Format: webhook.CloudEvents, URL: secret("https://127.0.0.1:1/T0PSECRET")},
		"a cloud's secrets": {Format: webhook.CloudEvents, URL: secret("https://169.254.169.254/T0PSECRET")},
		"unknown format":    {Format: "smoke", URL: secret("https://127.0.0.1:1/")},
	} {
		t.Run(name, func(t *testing.T) {
			err := webhook.New(o).Send(t.Context(), message(rotator.NoticeRevoked))
			if !errors.Is(err, notify.ErrOutage) || strings.Contains(err.Error(), "T0PSECRET") {
				t.Errorf("%v", err)
			}
		})
	}
}
