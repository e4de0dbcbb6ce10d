package client

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// longestToken bounds what is read of a token's file.
const longestToken = 16 << 10

// UseToken sends the bearer token in the file with each request from now on. The file is read for each anew: tokens end soon, and
// whatever gets new ones writes them there. The daemon's address must be https, or this machine's, and hold no password.
func (c *Client) UseToken(file string) error {
	switch {
	case c.exposed():
		return fmt.Errorf("the token for %s would go over the network unencrypted; write https://", c.base.Host)
	case c.base.User != nil:
		return errors.New("a request carries a password or a token, not both; take the password out of the daemon's address, or leave the token out")
	}
	if _, err := readToken(file); err != nil {
		return err
	}
	c.http.Transport = &bearer{next: c.http.Transport, file: file}
	return nil
}

// bearer adds a token to requests.
type bearer struct {
	next http.RoundTripper
	file string
}

// RoundTrip implements [http.RoundTripper].
func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := readToken(b.file)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token)
	return b.next.RoundTrip(r)
}

// readToken fails with an error that does not hold what the file does.
func readToken(file string) (string, error) {
	f, err := os.Open(file) //nolint:gosec // the path is the caller's own
	if err != nil {
		return "", fmt.Errorf("the file of the token: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	content, err := io.ReadAll(io.LimitReader(f, longestToken+1))
	if err != nil {
		return "", fmt.Errorf("the file of the token: %w", err)
	}
	token := strings.TrimSpace(string(content))
	if token == "" || len(content) > longestToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", fmt.Errorf("%s does not hold a token: one line of letters, digits and punctuation", file)
	}
	return token, nil
}
