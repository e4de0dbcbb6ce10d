package app

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/config"
)

// TestTransportTrustsTheConfiguredAuthorityAlone also says what is wrong with a file that is none.
func TestTransportTrustsTheConfiguredAuthorityAlone(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	dir := t.TempDir()
	good, empty := dir+"/good.pem", dir+"/empty.pem"
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	for name, content := range map[string][]byte{good: pem.EncodeToMemory(block), empty: []byte("no PEM\n")} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name, file, wrong string
		connects          bool
	}{
		{name: "its authority", file: good, connects: true},
		{name: "the system's"},
		{name: "a file without certificates", file: empty, wrong: "holds no certificate in PEM"},
		{name: "no file", file: dir + "/none.pem", wrong: "no such file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			transport, err := newTransport(tc.file)
			if tc.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wrong) {
					t.Fatalf("%v, want %q", err, tc.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer transport.CloseIdleConnections()
			res, err := (&http.Client{Transport: transport}).Get(server.URL)
			if err == nil {
				_ = res.Body.Close()
			}
			if (err == nil) != tc.connects {
				t.Errorf("connecting ends with %v", err)
			}
		})
	}
}

func TestCheckOnline(t *testing.T) {
	w := newWorld(t)
	load := func() *config.Config {
		c, err := config.Load(w.path("rotatord.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	names := func(found []Finding) map[string]bool {
		ok := map[string]bool{}
		for _, f := range found {
			ok[f.Name] = f.OK
			if f.Detail == "" {
				t.Errorf("%s: no word about it", f.Name)
			}
		}
		return ok
	}
	if err := os.Mkdir(w.path("keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]bool{"provider certcentral": true, "sink disk": true}, names(CheckOnline(t.Context(), load(), "test"))); diff != "" {
		t.Errorf("all is well: %s", diff)
	}
	w.server.Close()
	if diff := cmp.Diff(map[string]bool{"provider certcentral": false, "sink disk": true}, names(CheckOnline(t.Context(), load(), "test"))); diff != "" {
		t.Errorf("the provider is away: %s", diff)
	}
	w.configure(strings.Replace(usual, "type: file,", "type: file, group: no-such-group,", 1))
	if diff := cmp.Diff(map[string]bool{"configuration": false}, names(CheckOnline(t.Context(), load(), "test"))); diff != "" {
		t.Errorf("the sink cannot be made: %s", diff)
	}
	missing(t, w.path("state"))
}
