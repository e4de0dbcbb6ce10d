package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rotatord/rotatord/rotator"
)

// Problem is the body of every answer of the API that is not a success: problem details as RFC 9457 defines them.
type Problem struct {
	Title  string  `json:"title" doc:"The HTTP status in words."`
	Status int     `json:"status" doc:"The HTTP status."`
	Detail string  `json:"detail" doc:"What is wrong and what to do about it, for a person."`
	Kind   string  `json:"kind,omitempty" enum:"transient,throttled,denied,conflict,gone,invalid,unknown_outcome" doc:"The kind of fault, if the cause is one."`
	Errors []Wrong `json:"errors,omitempty" doc:"Every mistake in the request, if there are some."`

	retryAfter int // seconds; 0 for unknown
}

// Wrong is one mistake in a request. It does not repeat the value: that may be a secret in the wrong place.
type Wrong struct {
	Where string `json:"where,omitempty" doc:"The place, such as body.until or query.limit."`
	What  string `json:"what" doc:"What is wrong with it."`
}

// Error returns the detail.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return problemType }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	return h
}

const problemType = "application/problem+json"

func problem(status int, format string, args ...any) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}
}

// statusOf is the HTTP status for each kind of fault. A refusal by the other side of the daemon's own credential is not
// the caller's lack of permission, so it is not 403.
func statusOf(k rotator.Kind) int {
	switch k {
	case rotator.Transient:
		return http.StatusServiceUnavailable
	case rotator.Throttled:
		return http.StatusTooManyRequests
	case rotator.Denied, rotator.UnknownOutcome:
		return http.StatusBadGateway
	case rotator.Conflict:
		return http.StatusConflict
	case rotator.Gone:
		return http.StatusNotFound
	case rotator.Invalid:
		return http.StatusUnprocessableEntity
	default:
		return http.StatusInternalServerError
	}
}

// problemOf is the answer to a request that failed with err. What nobody classified is the daemon's own trouble.
func problemOf(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	f, ok := errors.AsType[*rotator.Fault](err)
	if !ok {
		return problem(http.StatusInternalServerError, "%v", err)
	}
	p := problem(statusOf(f.Kind), "%v", err)
	p.Kind = string(f.Kind)
	p.retryAfter = int(math.Ceil(f.RetryAfter.Seconds()))
	return p
}

// journalProblem is the answer to a question that the journal could not answer. Other than "there is no such thing", that
// is always the daemon's own trouble.
func journalProblem(err error) *Problem {
	if rotator.KindOf(err) == rotator.Gone {
		return problemOf(err)
	}
	return problem(http.StatusInternalServerError, "%s", journalTrouble(err))
}

// journalTrouble says in words that the journal cannot be read and what to do.
func journalTrouble(err error) string {
	return fmt.Sprintf("the journal cannot be read: %v; rotations stop until it can. "+
		"Check the disk of store.path (is it full, read-only, failing?) and the daemon's log", err)
}

// ownProblems turns the API library's errors into ours, without the values that they quote.
func ownProblems(_ huma.Context, _ string, v any) (any, error) {
	theirs, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := problem(theirs.Status, "%s", theirs.Detail)
	for _, e := range theirs.Errors {
		if e != nil {
			p.Errors = append(p.Errors, Wrong{Where: e.Location, What: e.Message})
		}
	}
	return p, nil
}

// refuse answers outside the API library: with a problem below /api/, in plain words elsewhere.
func refuse(w http.ResponseWriter, r *http.Request, status int, why string) {
	if !strings.HasPrefix(r.URL.Path, "/api/") {
		http.Error(w, why, status)
		return
	}
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(problem(status, "%s", why)) // the caller is gone
}
