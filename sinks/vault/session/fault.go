package session

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"unicode"

	"github.com/hashicorp/vault/api"
	"github.com/rotatord/rotatord/rotator"
)

// maxWords is how much of a server's own error text is passed on, in bytes.
const maxWords = 300

// refusal is an error answer, told in few words.
type refusal struct {
	code          int
	words, advice string
}

func (r refusal) Error() string {
	return fmt.Sprintf("the server answered %d%s%s", r.code, r.words, r.advice)
}

// Status is the code of an error answer, or 0 for an error that is none.
func Status(err error) int {
	if answer, ok := errors.AsType[*api.ResponseError](err); ok {
		return answer.StatusCode
	}
	r, _ := errors.AsType[refusal](err) // the zero value otherwise
	return r.code
}

// Sealed reports whether a server answered that it is sealed: nothing was done, and nothing will be for a while.
func Sealed(err error) bool {
	r, ok := errors.AsType[refusal](err)
	return ok && r.code == http.StatusServiceUnavailable && strings.Contains(r.words, "sealed")
}

// Elsewhere reports whether the server's answer pointed to another one, where nothing was sent.
func Elsewhere(err error) bool {
	_, redirect := errors.AsType[redirected](err)
	return redirect
}

// Classify says what an error of the API client means. The secrets are taken out of its words, should a server repeat them.
func Classify(op string, err error, secrets ...rotator.Secret) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*rotator.Fault](err); ok {
		return err
	}
	if answer, ok := errors.AsType[*api.ResponseError](err); ok {
		kind, advice := meaning(answer)
		return &rotator.Fault{Op: op, Kind: kind, Err: refusal{answer.StatusCode, words(answer, secrets), advice}}
	}
	if t, ok := errors.AsType[throttled](err); ok {
		return &rotator.Fault{Op: op, Kind: rotator.Throttled, RetryAfter: t.after, Err: t}
	}
	return rotator.NewFault(op, rotator.Transient, "%w%s", bare(err), connectionAdvice(err))
}

// bare drops what the HTTP client put around an error: the URL, which op says better, and the number of attempts.
func bare(err error) error {
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, errLongAnswer} {
		if errors.Is(err, known) {
			return known
		}
	}
	if r, ok := errors.AsType[redirected](err); ok {
		return r
	}
	return err
}

// meaning knows the answers that https://developer.hashicorp.com/vault/api-docs#http-status-codes lists, and those that
// version 1.13 was seen to give.
func meaning(answer *api.ResponseError) (kind rotator.Kind, advice string) {
	said := strings.Join(answer.Errors, " ")
	switch code := answer.StatusCode; {
	case code == http.StatusBadRequest && strings.Contains(said, "missing client token"), code == http.StatusUnauthorized:
		return rotator.Denied, "; no token was sent, or a proxy dropped it"
	case code == http.StatusForbidden:
		return rotator.Denied, "; the token is no longer valid, or its policies do not allow this"
	case code == http.StatusNotFound:
		return rotator.Gone, "; there is nothing under that path: check mount and namespace"
	case code == http.StatusInternalServerError && strings.Contains(said, "invalid secret id"):
		// How 1.13 answers a login with a secret id that was destroyed.
		return rotator.Denied, "; the secret id was destroyed or has expired: make a new one"
	case code == http.StatusServiceUnavailable:
		return rotator.Transient, "; it is sealed or in maintenance: unseal it (vault operator unseal)"
	case code == http.StatusPreconditionFailed, code >= 500, code == 472, code == 473:
		return rotator.Transient, ""
	default:
		return rotator.Invalid, ""
	}
}

// words are the server's own, on one line and without secrets.
func words(answer *api.ResponseError, secrets []rotator.Secret) string {
	said := strings.Join(answer.Errors, "; ")
	for _, secret := range secrets {
		if !secret.Empty() {
			said = strings.ReplaceAll(said, string(secret.Reveal()), secret.String())
		}
	}
	said = strings.Join(strings.FieldsFunc(said, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if len(said) > maxWords {
		said = strings.ToValidUTF8(said[:maxWords], "") + "…"
	}
	if said == "" {
		return ""
	}
	return fmt.Sprintf(" (%s)", said)
}

func connectionAdvice(err error) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var alert *net.OpError
	switch {
	case errors.As(err, &unknown):
		return "; the server's certificate is of an authority that is not trusted: set ca_file"
	case errors.As(err, &name):
		return "; the server's certificate is for another name: set server_name"
	case errors.As(err, &alert) && alert.Op == "remote error": // as crypto/tls names an alert that it received
		return "; the server refused the client certificate, or misses one: see cert_file and key_file"
	default:
		return ""
	}
}
