package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
)

// gram is how many bytes of a secret, in whatever form, are a leak: enough not to meet by chance, and few enough to find a
// secret that was cut short or wrapped.
const gram = 12

// searcher finds secrets, and parts of them, in any text, in each form that programs give to bytes.
type searcher struct{ grams map[[gram]byte]string }

func newSearcher() *searcher { return &searcher{grams: map[[gram]byte]string{}} }

// plant adds a secret. Its name is told in place of it.
func (s *searcher) plant(name, secret string) {
	for form, text := range forms(secret) {
		if text == secret && form != "" {
			continue // it has nothing that this form would write otherwise
		}
		for i := 0; i+gram <= len(text); i++ {
			s.grams[[gram]byte([]byte(text[i:i+gram]))] = name + form
		}
	}
}

// forms are the secret as it is and in its usual encodings.
func forms(secret string) map[string]string {
	all := map[string]string{
		"":                secret,
		" in hex":         hex.EncodeToString([]byte(secret)),
		" in HEX":         strings.ToUpper(hex.EncodeToString([]byte(secret))),
		" escaped":        url.QueryEscape(secret),
		" as a Go string": strings.Trim(fmt.Sprintf("%q", secret), `"`),
		" as Go bytes":    strings.Trim(fmt.Sprint([]byte(secret)), "[]"),
		" reversed":       reversed(secret),
	}
	// Inside a longer text a secret may begin at any of the three places of a base64 group. The groups at either end hold
	// neighbours too.
	for shift := range 3 {
		padded := strings.Repeat("\x00", shift) + secret
		for name, encoding := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
			text := encoding.EncodeToString([]byte(padded))
			all[fmt.Sprintf(" in %s, shifted by %d", name, shift)] = text[min(len(text), 4):max(4, len(text)-4)]
		}
	}
	return all
}

func reversed(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// find names the secrets that are in a text, each once, with what stands around the first piece of it.
func (s *searcher) find(text []byte) (found []string) {
	seen := map[string]bool{}
	for i := 0; i+gram <= len(text); i++ {
		name, hit := s.grams[[gram]byte(text[i:i+gram])]
		if hit && !seen[name] {
			seen[name] = true
			found = append(found, fmt.Sprintf("%s, after %q", name, text[max(0, i-160):i]))
		}
	}
	return found
}
