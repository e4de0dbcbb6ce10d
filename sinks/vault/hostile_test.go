package vault_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/sinks/vault"
)

func TestAnswersAreBoundedAfterUnpacking(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(bytes.Repeat([]byte(" "), 64<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for _, code := range []int{200, 404, 500} {
		f := &fake{answers: map[string]http.HandlerFunc{readRequest: func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				t.Error("the client does not unpack by itself any more: bound what does")
			}
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(code)
			_, _ = w.Write(packed.Bytes())
		}}}
		s := fakeSink(t, f, nil)
		refused(t, s, delivery(t, s, 1), rotator.Transient, "longer than 1 MiB")
	}
}

func TestHeadersAreBounded(t *testing.T) {
	f := &fake{answers: map[string]http.HandlerFunc{readRequest: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 1<<20))
	}}}
	s := fakeSink(t, f, nil)
	refused(t, s, delivery(t, s, 1), rotator.Transient, "header")
}

func TestNoTokenIsSentInTheClear(t *testing.T) {
	for address, works := range map[string]bool{
		"https://vault.example:8200": true, "http://127.0.0.1:8200": true, "http://[::1]:8200": true, "http://localhost:8200": true,
		"http://vault.example:8200": false, "http://10.0.0.1:8200": false, "http://localhost.example:8200": false,
	} {
		_, err := vault.New(vault.Options{Address: address, Auth: vault.Auth{TokenFile: "/nowhere"}, Path: "{{.ServiceUser}}"})
		if (err == nil) != works {
			t.Errorf("%s: %v", address, err)
		}
		if err != nil && !strings.Contains(err.Error(), "unencrypted") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestNothingIsSentToAMetadataService(t *testing.T) {
	s := fakeSink(t, &fake{}, func(o *vault.Options) { o.Address = "https://169.254.169.254" })
	refused(t, s, delivery(t, s, 1), rotator.Transient, "link-local")
}
