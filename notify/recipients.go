package notify

import (
	"fmt"
	"net/mail"
	"path"
	"slices"
	"strings"
	"unicode"
)

// Recipients say who may be written to. The zero Recipients are nobody.
type Recipients struct {
	// Allowed are glob patterns (path.Match) of addresses, as in "*@example.com", compared without regard to case.
	Allowed []string
	// Fallback is the address that takes the place of one that is missing, malformed or not allowed; empty for none.
	Fallback string
}

// Of returns the address that somebody is written to at: their own, if it is a plain address that is allowed, else the
// fallback, which is always allowed. It is empty where there is neither. Providers take any text for an e-mail address, so
// what is not exactly one address is treated like none.
func (r Recipients) Of(address string) string {
	address = strings.TrimSpace(address)
	if CheckAddress(address) != nil || !r.allows(address) {
		return r.Fallback
	}
	return address
}

func (r Recipients) allows(address string) bool {
	address = strings.ToLower(address)
	return strings.EqualFold(address, r.Fallback) || slices.ContainsFunc(r.Allowed, func(pattern string) bool {
		ok, err := path.Match(strings.ToLower(pattern), address)
		return ok && err == nil
	})
}

// CheckAddress says why the text is not exactly one address without a name, or nil. Spaces, line breaks, quotes and
// other characters that mean something to a mail server are refused, although the standard knows addresses with them.
func CheckAddress(text string) error {
	odd := func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r) || strings.ContainsRune(`"'<>()[]\,;:`, r)
	}
	parsed, err := mail.ParseAddress(text)
	if err != nil || parsed.Address != text || strings.ContainsFunc(text, odd) || strings.HasPrefix(text, "-") {
		return fmt.Errorf("%q is not an e-mail address", text)
	}
	return nil
}
