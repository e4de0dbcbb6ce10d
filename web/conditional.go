package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

// conditional gives each answer of the API a tag, and says "not modified" to a client that has that answer already. The answer
// is made all the same: what this saves is its way to the client.
func conditional(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !reads(r) || !strings.HasPrefix(r.URL.Path, apiPrefix+"/") || slices.Contains(streamed, r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		whole := &kept{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(whole, r)
		whole.answer(r)
	})
}

// kept is an answer that is held back until it is whole.
type kept struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader implements [http.ResponseWriter].
func (k *kept) WriteHeader(status int) { k.status = status }

// Write implements [http.ResponseWriter].
func (k *kept) Write(p []byte) (int, error) { return k.body.Write(p) }

func (k *kept) answer(r *http.Request) {
	if k.status == http.StatusOK {
		sum := sha256.Sum256(k.body.Bytes())
		tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
		k.Header().Set("ETag", tag)
		if hasTag(r.Header.Values("If-None-Match"), tag) {
			k.Header().Del("Content-Type")
			k.Header().Del("Content-Length")
			k.ResponseWriter.WriteHeader(http.StatusNotModified)
			return
		}
	}
	k.ResponseWriter.WriteHeader(k.status)
	_, _ = k.body.WriteTo(k.ResponseWriter) // the caller is gone
}

// hasTag compares as RFC 9110 has it for If-None-Match: a tag that a proxy weakened is the same.
func hasTag(headers []string, tag string) bool {
	for _, header := range headers {
		for one := range strings.SplitSeq(header, ",") {
			if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == tag {
				return true
			}
		}
	}
	return false
}
