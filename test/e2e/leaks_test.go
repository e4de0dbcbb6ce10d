package e2e

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rotatord/rotatord/test/daemon"
)

// leaks looks for secrets in everything that the daemon writes.
type leaks struct {
	f     *fleet
	a     *ambushes // nil where nothing was planted
	noted []output
}

// output is one thing that the daemon wrote or answered.
type output struct {
	where string
	text  []byte
}

// keepsSecrets searches everything that the daemon has written by now.
func (f *fleet) keepsSecrets(when string) {
	f.t.Helper()
	(&leaks{f: f}).search(when)
}

// note keeps an output, to be searched when all secrets are known.
func (l *leaks) note(where, text string) { l.noted = append(l.noted, output{where, []byte(text)}) }

// search looks for every secret that there is by now in every output that there is by now.
func (l *leaks) search(when string) {
	l.f.t.Helper()
	s := l.everySecret()
	all := append(slices.Clone(l.noted), output{"the log", []byte(l.f.d.Logs())})
	all = append(all, l.files()...)
	if l.f.d.Running() {
		all = append(all, l.answers()...)
		all = append(all, l.proc()...)
	}
	size := 0
	for _, o := range all {
		size += len(o.text)
		for _, found := range s.find(o.text) {
			l.f.t.Errorf("%s, %s holds %s", when, o.where, found)
		}
	}
	l.f.t.Logf("%s: searched %d outputs of %d bytes for %d pieces of secrets", when, len(all), size, len(s.grams))
}

func (l *leaks) everySecret() *searcher {
	l.f.t.Helper()
	s := newSearcher()
	for i, secret := range l.f.provider.Secrets() {
		k, ok := l.f.provider.KeyOfSecret(secret)
		if !ok { // its key was deleted since
			k.Name = fmt.Sprintf("number %d", i)
		}
		s.plant(fmt.Sprintf("the secret of key %s of user %s", k.Name, k.UserID), secret)
	}
	sealKey, err := os.ReadFile(l.f.d.Path("seal.key"))
	if err != nil {
		l.f.t.Fatal(err)
	}
	text := strings.TrimSpace(string(sealKey))
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		l.f.t.Fatalf("the seal key is not in base64: %v", err)
	}
	s.plant("the seal key", text)
	s.plant("the bytes of the seal key", string(raw))
	s.plant("the secret id", l.f.secretID)
	s.plant("Vault's root token", l.f.vault.RootToken)
	if l.a == nil {
		return s
	}
	for _, planted := range []string{plantedInVault, plantedInFile, plantedInYAML} {
		s.plant(planted[:13], planted)
	}
	l.a.mu.Lock()
	defer l.a.mu.Unlock()
	if len(l.a.tokens) == 0 {
		l.f.t.Fatal("no login was seen")
	}
	for _, token := range l.a.tokens {
		s.plant("a Vault token", strings.TrimPrefix(token, "hvs."))
	}
	return s
}

// answers are those to everything that can be asked over HTTP and by the commands.
func (l *leaks) answers() (all []output) {
	l.f.t.Helper()
	paths := []string{"/", "/style.css", "/page.js", "/fleet", "/fleet.csv", "/calendar", "/audit", "/metrics", "/-/healthy", "/-/ready", "/api/v1/status", "/api/v1/credentials?limit=10000",
		"/api/v1/rotations?state=open&limit=10000", "/api/v1/rotations?state=ended&limit=10000", "/api/v1/rotations/nobody",
		"/api/v1/keys", "/api/v1/report", "/api/v1/audit", "/api/v1/service-users", "/api/v1/seal", "/api/openapi.json", "/debug/pprof/", "/nothing"}
	open, ended := l.f.d.Rotations()
	for _, r := range append(open, ended...) {
		paths = append(paths, "/api/v1/rotations/"+r.ID)
	}
	for _, path := range paths {
		_, body := l.f.d.Get(path)
		all = append(all, output{"the answer to GET " + path, []byte(body)})
	}
	for _, args := range [][]string{{"status"}, {"status", "-o", "json"}, {"report"}, {"report", "--format", "html"}, {"report", "--format", "csv"},
		{"check-config", "-c", l.f.d.ConfigPath}} {
		out, errs, _ := l.f.d.Command(args...)
		all = append(all, output{"rotatord " + strings.Join(args, " "), []byte(out + errs)})
	}
	_, body := l.f.d.Send(http.MethodPost, "/api/v1/rotations", map[string]any{"provider": "*", "user": "*", "credential": "*", "dry_run": true})
	return append(all, output{"the answer to a rotation's dry run", []byte(body)})
}

// proc is what the kernel shows of the process. What it shows to nobody is no leak.
func (l *leaks) proc() (all []output) {
	l.f.t.Helper()
	for _, name := range []string{"cmdline", "environ"} {
		path := fmt.Sprintf("/proc/%d/%s", l.f.d.PID(), name)
		text, err := os.ReadFile(path) // of our own child
		if errors.Is(err, fs.ErrPermission) {
			continue
		}
		if err != nil {
			l.f.t.Fatal(err)
		}
		all = append(all, output{path, text})
	}
	return all
}

// files are all files below the daemon's folder, but for those that hold a secret by their purpose: the credentials that the
// test put there, and what was delivered.
func (l *leaks) files() (all []output) {
	l.f.t.Helper()
	meant := map[string]bool{l.f.d.Path("secret-id"): true}
	for _, name := range []string{"cc.key", "one.key", "acme.key", "seal.key"} {
		meant[l.f.d.Path(name)] = true
	}
	for _, s := range l.f.services {
		meant[l.f.file(s)] = true
	}
	err := filepath.WalkDir(l.f.d.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || meant[path] {
			return err
		}
		text, err := os.ReadFile(path) // the test's own
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was a temporary one
		}
		all = append(all, output{path, text})
		return err
	})
	if err != nil {
		l.f.t.Fatal(err)
	}
	return all
}

// sealedNow are the sealed secrets of services' rotations that stand in the journal now.
func (l *leaks) sealedNow(services []daemon.Service) (sealed [][]byte) {
	l.f.t.Helper()
	daemon.Await(l.f.t, daemon.Patience, "sealed secrets in the journal", func() error {
		store, err := openCopy(l.f.t.Context(), l.f.d.StorePath, l.f.t.TempDir())
		if err != nil {
			return err // it was copied while it was written
		}
		defer store.Close() // a copy
		open, err := store.Rotations(l.f.t.Context(), false, 1000)
		if err != nil {
			return err
		}
		sealed = nil
		for _, r := range open {
			if slices.ContainsFunc(services, func(s daemon.Service) bool { return s.Name == r.ServiceUser }) && len(r.Sealed) > 0 {
				sealed = append(sealed, r.Sealed)
			}
		}
		if len(sealed) != len(services) {
			return fmt.Errorf("%d rotations have a sealed secret, want %d", len(sealed), len(services))
		}
		return nil
	})
	return sealed
}

// awaitWiped waits until the sealed secrets, too, are in no file any more: not in the database, not in its log.
func (l *leaks) awaitWiped(sealed [][]byte) {
	l.f.t.Helper()
	daemon.Await(l.f.t, 2*daemon.Patience, "the end of the sealed secrets", func() error { return l.wiped(sealed) })
}

// wiped is nil if no file of the journal holds a piece of a sealed secret.
func (l *leaks) wiped(sealed [][]byte) error {
	s := newSearcher()
	for i, b := range sealed {
		for at := 0; at+gram <= len(b); at++ {
			s.grams[[gram]byte(b[at:at+gram])] = fmt.Sprintf("sealed secret %d", i)
		}
	}
	for _, file := range []string{l.f.d.StorePath, l.f.d.StorePath + "-wal"} {
		text, err := os.ReadFile(file) // the test's own
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if found := s.find(text); len(found) > 0 {
			return fmt.Errorf("%s still holds %d of them", file, len(found))
		}
	}
	return nil
}
