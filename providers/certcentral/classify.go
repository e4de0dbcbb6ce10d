package certcentral

import (
	"encoding/json"
	"net/http"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// deadKey is the documented code of a key that the service does not accept (any more). It comes with status 403.
const deadKey = "access_denied|access_denied_invalid_key"

// routeCode is the documented code of a path that does not exist: nothing is said about what the path is about.
const routeCode = "not_found|route"

// apiError is the documented error body, {"errors":[{"code","message"}]}.
type apiError struct {
	Errors []struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"errors"`
}

// classify turns an answer that is no success into a fault.
func classify(r rest.Refusal) *rotator.Fault {
	code, said := readError(r.Body)
	r.Said, r.Known = said, code != "" && code != routeCode
	if r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden {
		return r.Fault(rotator.Denied, whyDenied(r.Status, code))
	}
	return rest.Classify(r)
}

func whyDenied(status int, code string) string {
	if status == http.StatusUnauthorized || code == deadKey {
		return "the key is dead: revoked, mistyped, or its user was deleted or deactivated"
	}
	return "the key lacks a permission: it must belong to an administrator and be unrestricted"
}

// readError returns the first code, and all that the service said.
func readError(body []byte) (code, said string) {
	var e apiError
	if json.Unmarshal(body, &e) != nil {
		return "", ""
	}
	for _, item := range e.Errors {
		if code == "" {
			code = item.Code
		}
		if said != "" {
			said += ", "
		}
		said += rest.OneLine(item.Code + ": " + item.Message)
	}
	return code, said
}
