package certcentral_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/providers/certcentral"
	"github.com/rotatord/rotatord/rotator"
)

// The fleet of the benchmarks.
const (
	fleetUsers = 100_000
	fleetKeys  = 2 // each
)

type counter struct{ users, keys int }

func (c *counter) User(rotator.ServiceUser) error {
	c.users++
	return nil
}

func (c *counter) Key(rotator.Key) error {
	c.keys++
	return nil
}

// canned answers as the emulator does, from memory, so that the server costs next to nothing.
func canned(b *testing.B) (base string) {
	b.Helper()
	a := emulator.NewCertCentral(emulator.CertCentralOptions{Rates: []emulator.Rate{}})
	a.AddFleet(fleetUsers, fleetKeys, time.Now())
	answers := map[string][]byte{}
	keep := func(path string) {
		r := httptest.NewRequest(http.MethodGet, a.BasePath()+path, nil)
		r.Header.Set("X-DC-DEVKEY", a.ManagerSecret())
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		answers[r.URL.RequestURI()] = w.Body.Bytes()
	}
	for offset := 0; offset < fleetUsers; offset += 1000 {
		keep(fmt.Sprintf("/user/api-only?limit=1000&offset=%d", offset))
	}
	keep("/key")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(answers[r.URL.RequestURI()])
	}))
	b.Cleanup(server.Close)
	return server.URL + a.BasePath()
}

// BenchmarkScan compares a scan with the least that could be called one: a loop that gets the same pages and decodes each
// into a struct of the same few fields.
func BenchmarkScan(b *testing.B) {
	base := canned(b)
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if users, keys := bareLoop(b, base); users != fleetUsers || keys < fleetUsers*fleetKeys {
				b.Fatalf("saw %d users and %d keys", users, keys)
			}
		}
	})
	b.Run("scan", func(b *testing.B) {
		p, err := certcentral.New(certcentral.Options{BaseURL: base, Key: fixed("key"), Rates: []certcentral.Rate{}})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			var c counter
			if err := p.Scan(b.Context(), rotator.Scope{}, &c); err != nil || c.users != fleetUsers || c.keys < fleetUsers*fleetKeys {
				b.Fatalf("saw %d users and %d keys: %v", c.users, c.keys, err)
			}
		}
	})
}

type bareUser struct {
	ID       int64  `json:"id"`
	Username string `json:"username"`
	Email    string `json:"email"`
	Status   string `json:"status"`
}

type bareKey struct {
	ID   int64 `json:"id"`
	User struct {
		ID int64 `json:"id"`
	} `json:"user"`
	Status   string `json:"status"`
	Name     string `json:"name"`
	Created  string `json:"create_date"`
	LastUsed string `json:"last_used_date"`
}

func bareLoop(b *testing.B, base string) (users, keys int) {
	b.Helper()
	for {
		var page struct {
			Users []bareUser `json:"users"`
			Page  struct {
				Total int `json:"total"`
			} `json:"page"`
		}
		bareGet(b, fmt.Sprintf("%s/user/api-only?limit=1000&offset=%d", base, users), &page)
		users += len(page.Users)
		if users >= page.Page.Total {
			break
		}
	}
	var list struct {
		Keys []bareKey `json:"api_keys"`
	}
	bareGet(b, base+"/key", &list)
	return users, len(list.Keys)
}

func bareGet(b *testing.B, url string, into any) {
	b.Helper()
	resp, err := http.Get(url)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		b.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
}
