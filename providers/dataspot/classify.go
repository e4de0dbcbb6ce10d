package dataspot

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// apiError is the error body as public clients read it. It is not documented, and sometimes it is not JSON at all.
type apiError struct {
	Method     string `json:"method"`
	Message    string `json:"message"`
	Violations []struct {
		Message string `json:"message"`
	} `json:"violations"`
	Errors []json.RawMessage `json:"errors"`
}

// said puts the parts into one text. Entries of errors have been seen as texts; others are shown as they are.
func (e *apiError) said() string {
	parts := []string{}
	add := func(s string) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	add(e.Message)
	for _, v := range e.Violations {
		add(v.Message)
	}
	for _, raw := range e.Errors {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			text = string(raw)
		}
		add(text)
	}
	return strings.Join(parts, "; ")
}

// errNotAKey is matched by the faults of calls whose access key could not even be decoded.
var errNotAKey = errors.New("the access key cannot be a key")

// decoderWords are what the server says, with status 500, when it cannot decode a key. The first is known from a public client; the
// others are those that the same decoder (java.util.Base64) has for other texts, inferred.
var decoderWords = []string{
	"last unit does not have enough valid bits",
	"illegal base64 character",
	"input byte array has incorrect ending byte",
	"input byte array has wrong 4-byte ending unit",
}

func malformedKey(status int, body []byte) bool {
	if status != http.StatusInternalServerError {
		return false
	}
	text := strings.ToLower(string(body))
	for _, words := range decoderWords {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

// classify turns an answer that is no success into a fault. That 401 is a bad key, and the words of a malformed one, are known from
// a public client; 403 and 429 are inferred.
func classify(r rest.Refusal) *rotator.Fault {
	var e apiError
	if json.Unmarshal(r.Body, &e) == nil {
		r.Said = e.said()
		r.Known = r.Said != "" || e.Method != ""
	}
	switch {
	case malformedKey(r.Status, r.Body):
		f := r.Fault(rotator.Invalid, "the server cannot decode it")
		f.Err = fmt.Errorf("%w: %w", errNotAKey, f.Err)
		return f
	case r.Status == http.StatusUnauthorized:
		return r.Fault(rotator.Denied, "the access key is invalid, has expired or belongs to another tenant, or the authentication in front refuses the call")
	case r.Status == http.StatusForbidden:
		return r.Fault(rotator.Denied, "the access level of the key's user does not permit this; users and keys are managed by administrators")
	case r.Status == http.StatusGone:
		r.Known = true // nothing but the server itself answers so
	}
	return rest.Classify(r)
}
