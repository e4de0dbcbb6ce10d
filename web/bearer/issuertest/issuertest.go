// Package issuertest is an OpenID Connect issuer for tests, over real TLS, with keys of its own.
package issuertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Issuer is an issuer that answers until its test ends.
type Issuer struct {
	*httptest.Server

	mu    sync.Mutex
	keys  map[string]*ecdsa.PrivateKey
	down  bool
	asked int
}

// New starts an issuer with one key, of the id "first".
func New(t testing.TB) *Issuer {
	t.Helper()
	i := &Issuer{keys: map[string]*ecdsa.PrivateKey{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		i.answer(w, map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/keys"})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) { i.answer(w, map[string]any{"keys": i.public()}) })
	i.Server = httptest.NewTLSServer(mux)
	t.Cleanup(i.Close)
	i.Roll(t, "first")
	return i
}

func (i *Issuer) answer(w http.ResponseWriter, v any) {
	i.mu.Lock()
	i.asked++
	down := i.down
	i.mu.Unlock()
	if down {
		http.Error(w, "<h1>down for maintenance</h1>", http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the caller is gone
}

func (i *Issuer) public() []map[string]string {
	i.mu.Lock()
	defer i.mu.Unlock()
	var list []map[string]string
	for id, k := range i.keys {
		point, err := k.PublicKey.Bytes()
		if err != nil {
			panic(err) // a key on P-256 has a form
		}
		list = append(list, map[string]string{"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": id, "x": b64(point[1:33]), "y": b64(point[33:])})
	}
	return list
}

// Roll replaces the issuer's keys by a new one.
func (i *Issuer) Roll(t testing.TB, id string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = map[string]*ecdsa.PrivateKey{id: k}
}

// SetDown makes the issuer answer with errors, or not.
func (i *Issuer) SetDown(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

// Asked is how many requests came.
func (i *Issuer) Asked() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

// Claims are those of a good token for the audience "rotatord", which changes overwrite; nil removes one.
func (i *Issuer) Claims(now time.Time, changes map[string]any) map[string]any {
	c := map[string]any{"iss": i.URL, "aud": "rotatord", "sub": "s-1", "exp": now.Add(time.Hour).Unix(), "iat": now.Unix()}
	for name, v := range changes {
		if c[name] = v; v == nil {
			delete(c, name)
		}
	}
	return c
}

// Token signs claims with the key of that id.
func (i *Issuer) Token(t testing.TB, kid string, claims map[string]any) string {
	t.Helper()
	signed := part(t, map[string]string{"alg": "ES256", "kid": kid}) + "." + part(t, claims)
	i.mu.Lock()
	k := i.keys[kid]
	i.mu.Unlock()
	if k == nil {
		t.Fatalf("the issuer has no key %s", kid)
	}
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// Forged is a token under a header of the caller's, with a signature that nobody made.
func (i *Issuer) Forged(t testing.TB, header map[string]string, claims map[string]any, signature string) string {
	t.Helper()
	return fmt.Sprintf("%s.%s.%s", part(t, header), part(t, claims), b64([]byte(signature)))
}

func part(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b64(text)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
