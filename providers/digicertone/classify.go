package digicertone

import (
	"encoding/json"
	"net/http"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// The documented codes that say more than the status does. The status that comes with the first is not documented.
const (
	codeDuplicate  = "duplicate_error"
	codeInvalidKey = "invalid_api_key"
)

// apiError is the error body in both documented forms: {"error":{…}} and {"errors":[{…}]}.
type apiError struct {
	Error  apiErrorItem   `json:"error"`
	Errors []apiErrorItem `json:"errors"`
}

type apiErrorItem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// items lists what an error body says; nil if it is none.
func items(body []byte) []apiErrorItem {
	var e apiError
	if json.Unmarshal(body, &e) != nil {
		return nil
	}
	var list []apiErrorItem
	for _, item := range append([]apiErrorItem{e.Error}, e.Errors...) {
		if item.Code != "" {
			list = append(list, item)
		}
	}
	return list
}

// classify turns an answer that is no success into a fault (the vendor's page on error handling and rate limits).
//
// A 503 is documented as maintenance, with Retry-After. For a read it is a request for patience. For a write it is not
// believed: a proxy answers so too, and then the write may have been done.
func classify(r rest.Refusal) *rotator.Fault {
	list := items(r.Body)
	codes := map[string]bool{}
	for _, item := range list {
		codes[item.Code] = true
		if r.Said != "" {
			r.Said += "; "
		}
		r.Said += item.Code + ": " + item.Message
	}
	r.Known = len(list) > 0
	switch {
	case codes[codeDuplicate]:
		return r.Fault(rotator.Conflict, "the name is taken already")
	case r.Status == http.StatusUnauthorized || codes[codeInvalidKey]:
		return r.Fault(rotator.Denied, "the token is dead: wrong, expired, disabled or deleted")
	case r.Status == http.StatusForbidden:
		return r.Fault(rotator.Denied, "the token's user lacks a permission, or access to the account")
	case r.Status == http.StatusServiceUnavailable && !r.Write && r.Header.Get("Retry-After") != "":
		return r.Fault(rotator.Throttled, "the service is under maintenance and asks for patience")
	default:
		return rest.Classify(r)
	}
}
