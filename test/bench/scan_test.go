package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/providers/certcentral"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/rotator/journal"
)

// The fleet that is scanned.
const (
	scanUsers = 100_000
	scanKeys  = 2 * scanUsers
)

// garbage is the daemon's own setting of the garbage collector, see internal/app.
const garbage = 30

// scanned is what one scan cost the process that made it.
type scanned struct {
	Took, Processor   time.Duration
	Users, Keys       int
	Managed, Changed  int
	PeakMiB, AfterMiB float64
}

// BenchmarkScan compares a scan of the engine (provider, memory of the last scan, journal) with a bare loop that gets the
// same answers over the same loopback and decodes them. All three parties are processes of their own.
//
//	cold     the first scan ever: everything is written to the journal
//	restart  the first scan of a process whose journal knows everything
//	steady   every later one
//
// Of several rounds, taken in turn, the fastest of each side counts: other work on the machine can only add.
func BenchmarkScan(b *testing.B) {
	var at address
	start(b, "certcentral").ask(&at)
	path := b.TempDir() + "/rotatord.db"
	bare := start(b, "bare scan", at.Base, at.Key)
	b.Run("cold", func(b *testing.B) {
		var pair rounds
		for b.Loop() {
			pair.both(bare, start(b, "scan", at.Base, at.Key, b.TempDir()+"/rotatord.db"))
		}
		pair.report(b)
	})
	keeper := start(b, "scan", at.Base, at.Key, path)
	keeper.ask(new(scanned))
	keeper.stop()
	b.Run("restart", func(b *testing.B) {
		var pair rounds
		for b.Loop() {
			daemon := start(b, "scan", at.Base, at.Key, path)
			pair.both(bare, daemon)
			daemon.stop() // it holds the journal's lock
		}
		pair.report(b)
	})
	b.Run("steady", func(b *testing.B) {
		daemon := start(b, "scan", at.Base, at.Key, path)
		daemon.ask(new(scanned))
		var pair rounds
		for b.Loop() {
			for range 5 {
				pair.both(bare, daemon)
			}
		}
		pair.report(b)
		if pair.engine.Changed != 0 {
			b.Errorf("a scan that saw nothing new wrote %d rows", pair.engine.Changed)
		}
	})
}

// rounds keeps the best of each side.
type rounds struct{ bare, engine scanned }

func (r *rounds) both(bare, daemon *child) {
	bare.b.Helper()
	for side, best := range map[*child]*scanned{bare: &r.bare, daemon: &r.engine} {
		var s scanned
		side.ask(&s)
		if s.Users != scanUsers || s.Keys < scanKeys {
			bare.b.Fatalf("saw %d users and %d keys", s.Users, s.Keys)
		}
		if best.Took != 0 {
			s.Took, s.Processor = min(s.Took, best.Took), min(s.Processor, best.Processor)
		}
		*best = s
	}
}

func (r *rounds) report(b *testing.B) {
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(r.bare.Took.Seconds(), "s-bare")
	b.ReportMetric(r.engine.Took.Seconds(), "s-scan")
	b.ReportMetric(r.engine.Took.Seconds()/r.bare.Took.Seconds(), "x-of-bare")
	b.ReportMetric(r.engine.Processor.Seconds()/r.bare.Processor.Seconds(), "cpu-x-of-bare")
	b.ReportMetric(r.engine.PeakMiB, "MiB-peak")
	b.ReportMetric(r.bare.PeakMiB, "MiB-peak-bare")
}

// measured times one scan of this process.
func measured(scan func() (scanned, error)) (any, error) {
	before, err := processorTime()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	s, err := scan()
	if err != nil {
		return nil, err
	}
	s.Took = time.Since(began)
	after, err := processorTime()
	if err != nil {
		return nil, err
	}
	s.Processor = after - before
	if s.PeakMiB, err = mebibytes("self", peakResident); err != nil {
		return nil, err
	}
	s.AfterMiB, err = mebibytes("self", resident)
	return s, err
}

// address says where the emulator is.
type address struct{ Base, Key string }

// serveCertCentral answers with what the emulator said once to the same requests, so that its own work does not hide how
// fast its clients are.
func serveCertCentral([]string) (answerer, error) {
	account := emulator.NewCertCentral(emulator.CertCentralOptions{Rates: []emulator.Rate{}})
	account.AddFleet(scanUsers, scanKeys/scanUsers, time.Now().Add(-10*day))
	answers := map[string][]byte{}
	keep := func(uri string) {
		r := httptest.NewRequest(http.MethodGet, uri, nil)
		r.Header.Set("X-DC-DEVKEY", account.ManagerSecret())
		w := httptest.NewRecorder()
		account.ServeHTTP(w, r)
		answers[uri] = w.Body.Bytes()
	}
	for offset := 0; offset < scanUsers; offset += certcentral.DefaultPageSize {
		keep(usersPage(account.BasePath(), offset))
	}
	keep(account.BasePath() + "/key")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(answers[r.URL.RequestURI()])
		}))
	}()
	at := address{Base: "http://" + l.Addr().String() + account.BasePath(), Key: account.ManagerSecret()}
	return func() (any, error) { return at, nil }, nil
}

func usersPage(base string, offset int) string {
	return fmt.Sprintf("%s/user/api-only?limit=%d&offset=%d", base, certcentral.DefaultPageSize, offset)
}

// newEngineScanner is the daemon's part that scans: its engine on a journal on disk, without the web server.
func newEngineScanner(args []string) (answerer, error) {
	debug.SetGCPercent(garbage)
	provider, err := certcentral.New(certcentral.Options{BaseURL: args[0], Key: fixed(args[1]), Rates: []certcentral.Rate{}})
	if err != nil {
		return nil, err
	}
	store, err := journal.Open(context.Background(), args[2], journal.Options{})
	if err != nil {
		return nil, err
	}
	setup, err := newSetup(provider, 1)
	if err != nil {
		return nil, err
	}
	scans := scanEnds{ended: make(chan scanEnd, 1)}
	e := engine.New(engine.Options{Store: store, Sealer: newSealer(), Observer: scans, Drain: time.Second}, setup)
	again := func() { go func() { _ = e.Run(context.Background()) }() }
	return func() (any, error) {
		return measured(func() (scanned, error) {
			again()
			again = e.ScanNow
			end := <-scans.ended
			return scanned{Users: end.res.Users, Keys: end.res.Keys, Managed: end.res.Managed, Changed: end.res.Changed}, end.err
		})
	}, nil
}

// scanEnds hands on how each scan ended.
type scanEnds struct {
	engine.Unobserved
	ended chan scanEnd
}

type scanEnd struct {
	res engine.ScanResult
	err error
}

// Scanned implements [engine.Observer].
func (s scanEnds) Scanned(_ string, res engine.ScanResult, _ time.Duration, err error) {
	s.ended <- scanEnd{res, err}
}

// newBareScanner is the least that sees everything: it gets the pages and decodes them, and the keys one by one.
func newBareScanner(args []string) (answerer, error) {
	debug.SetGCPercent(garbage)
	return func() (any, error) {
		return measured(func() (scanned, error) {
			var s scanned
			err := bareUsers(args[0], &s)
			if err == nil {
				err = bareGet(args[0]+"/key", func(r io.Reader) error { return bareKeys(r, &s) })
			}
			return s, err
		})
	}, nil
}

// bareUser and bareKey have the fields that the provider reads.
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
	Status     string `json:"status"`
	Name       string `json:"name"`
	Created    string `json:"create_date"`
	LastUsed   string `json:"last_used_date"`
	ACME       string `json:"acme_directory_url"`
	Restricted int    `json:"restricted_to_role_id"`
}

func bareUsers(base string, s *scanned) error {
	for total := 1; s.Users < total; {
		var page struct {
			Users []bareUser `json:"users"`
			Page  struct {
				Total int `json:"total"`
			} `json:"page"`
		}
		if err := bareGet(usersPage(base, s.Users), func(r io.Reader) error { return json.NewDecoder(r).Decode(&page) }); err != nil {
			return err
		}
		if len(page.Users) == 0 {
			return errors.New("an empty page")
		}
		total = page.Page.Total
		s.Users += len(page.Users)
	}
	return nil
}

func bareKeys(r io.Reader, s *scanned) error {
	d := json.NewDecoder(r)
	for range 3 { // a brace, the list's name, a bracket
		if _, err := d.Token(); err != nil {
			return err
		}
	}
	for d.More() {
		var k bareKey
		if err := d.Decode(&k); err != nil {
			return err
		}
		s.Keys++
	}
	return nil
}

func bareGet(url string, read func(io.Reader) error) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	if err := read(resp.Body); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

func fixed(key string) func() (rotator.Secret, error) {
	return func() (rotator.Secret, error) { return rotator.SecretString(key), nil }
}
