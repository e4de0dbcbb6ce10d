package digicertone_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/providers/digicertone"
	"github.com/rotatord/rotatord/rotator"
)

// TestNoErrorHoldsANewSecret answers a create call in every way that cannot be used, each time with a secret in it.
func TestNoErrorHoldsANewSecret(t *testing.T) {
	const secret = "s3cr3t-of-the-new-token"
	for name, answer := range map[string]string{
		"under another name":     `{"id":"t-1","value":"SECRET"}`,
		"in a list":              `{"id":"t-1","token":["SECRET"]}`,
		"in an object":           `{"id":"t-1","token":{"text":"SECRET"}}`,
		"with a blank in it":     `{"id":"t-1","token":"SECRET SECRET"}`,
		"in place of the id":     `{"id":"SECRET/","token":"x"}`,
		"in place of a date":     `{"id":"t-1","token":"x","end_date":"SECRET"}`,
		"in place of a time":     `{"id":"t-1","token":"x","created_at":"SECRET"}`,
		"as all that there is":   `"SECRET"`,
		"before the answer ends": `{"id":"t-1","token":"SECRET"`,
		"in a list of tokens":    `[{"id":"t-1","token":"SECRET"}]`,
		"without an id":          `{"token":"SECRET"}`,
		"with another end date":  `{"id":"t-1","token":"SECRET","end_date":"2001-01-01"}`,
		"with a status of 500":   `500 {"error":{"code":"oops","message":"SECRET"}}`,
		"with a status of 302":   `302 {"errors":[{"code":"oops","message":"SECRET"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost {
					w.WriteHeader(http.StatusNotFound)
					return
				}
				var status int
				body := answer
				if n, err := fmt.Sscanf(answer, "%3d ", &status); n == 1 && err == nil {
					w.WriteHeader(status)
					body = answer[4:]
				}
				_, _ = io.WriteString(w, strings.ReplaceAll(body, "SECRET", secret))
			}))
			defer server.Close()
			p, err := digicertone.New(digicertone.Options{BaseURL: server.URL, Key: fixed("key")})
			if err != nil {
				t.Fatal(err)
			}
			m, err := p.Mint(t.Context(), rotator.MintRequest{UserID: "u-1", Name: "ci-r0001", Lifetime: 90 * day})
			wantKind(t, err, rotator.UnknownOutcome)
			if text := fmt.Sprintf("%v %+v", err, m); strings.Contains(text, "s3cr3t") {
				t.Errorf("a secret is in %s", text)
			}
		})
	}
}
