package emulator

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// d1Error is a refusal: a status, and a code and a message that go into one of the two documented bodies.
type d1Error struct {
	status        int
	code, message string
	retryAfter    time.Duration
}

// The refusals. The documents name no code for 429 and 503.
var (
	d1BadKey      = &d1Error{status: http.StatusUnauthorized, code: "invalid_api_key", message: "The API key is missing, invalid or expired."}
	d1NoRight     = &d1Error{status: http.StatusForbidden, code: "access_denied", message: "You do not have permission to do this."}
	d1NotFound    = &d1Error{status: http.StatusNotFound, code: "resource_not_found", message: "The requested resource does not exist."}
	d1TooMany     = &d1Error{status: http.StatusTooManyRequests, code: "rate_limit_exceeded", message: "Too many requests."}
	d1Maintenance = &d1Error{status: http.StatusServiceUnavailable, code: "service_unavailable", message: "The service is under maintenance."}
)

func d1BadRequest(format string, args ...any) *d1Error {
	return &d1Error{status: http.StatusBadRequest, code: "invalid_request", message: fmt.Sprintf(format, args...)}
}

// after is the refusal with the time after which to try again.
func (e *d1Error) after(wait time.Duration) *d1Error {
	c := *e
	c.retryAfter = wait
	return &c
}

// d1ErrorFor is the body for a status that a fault orders.
func d1ErrorFor(status int) *d1Error {
	for _, known := range []*d1Error{d1BadKey, d1NoRight, d1NotFound, d1TooMany, d1Maintenance, d1BadRequest("The request could not be read.")} {
		if known.status == status {
			return known
		}
	}
	return &d1Error{status: status, code: "fault", message: http.StatusText(status)}
}

func (s *DigiCertOne) errorBody(e *d1Error) []byte {
	type item struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	s.mu.Lock()
	s.refusals++
	one := s.options.Errors == ErrorsAsOne || (s.options.Errors == ErrorsInTurn && s.refusals%2 == 1)
	s.mu.Unlock()
	var whole any = map[string][]item{"errors": {{e.code, e.message}}}
	if one {
		whole = map[string]item{"error": {e.code, e.message}}
	}
	body, err := json.Marshal(whole)
	if err != nil {
		panic(err) // two strings
	}
	return body
}

func (s *DigiCertOne) refuse(w http.ResponseWriter, e *d1Error) {
	if e.retryAfter > 0 {
		w.Header().Set("Retry-After", s.retryAfter(e.retryAfter))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.status)
	_, _ = w.Write(s.errorBody(e)) //nolint:gosec // JSON, served as JSON
}

// retryAfter rounds up, so that who waits that long is not too early.
func (s *DigiCertOne) retryAfter(wait time.Duration) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waits++
	if s.options.RetryAfter == RetryAfterSeconds || (s.options.RetryAfter == RetryAfterInTurn && s.waits%2 == 1) {
		return strconv.Itoa(int((wait + time.Second - 1) / time.Second))
	}
	return s.options.Now().Add(wait + time.Second - 1).UTC().Format(http.TimeFormat)
}

// d1Call is a call that was let in.
type d1Call struct {
	d1Caller
	at    int64 // now
	id    string
	query url.Values
	body  d1Object // under the default names
	lie   view
}

// d1Answer is what a call is answered with: nothing, one object, or a list.
type d1Answer struct {
	status int
	object d1Object
	list   *d1List
}

// d1List is a list whose elements are made when they are sent, because a fleet's would not fit into memory well. An element
// that is gone by then is nil.
type d1List struct {
	ids    []int
	render func(id int) d1Object
}

var d1NoContent = d1Answer{status: http.StatusNoContent}

// d1Handler answers a call. It is called under the lock.
type d1Handler func(c d1Call) (d1Answer, *d1Error)

func (s *DigiCertOne) routes() *http.ServeMux {
	mux := http.NewServeMux()
	handle := func(pattern string, reads d1Kind, h d1Handler) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.handle(w, r, reads, h) })
	}
	handle("GET /account", "", s.listAccounts)
	handle("GET /account/{id}", "", s.accountInfo)
	handle("GET /role", "", s.listRoles)
	handle("GET /user", "", s.listUsers)
	handle("POST /user", d1KindUser, s.createUser)
	handle("GET /user/{id}", "", s.userInfo)
	handle("PUT "+s.options.Paths.UpdateUser, d1KindUser, s.editUser)
	handle("DELETE "+s.options.Paths.DeleteUser, "", s.deleteUser)
	if !s.options.SwitchUsersByStatus {
		handle("PUT "+s.options.Paths.EnableUser, "", s.enableUser)
		handle("PUT "+s.options.Paths.DisableUser, "", s.disableUser)
	}
	notFound := func(d1Call) (d1Answer, *d1Error) { return d1Answer{}, d1NotFound }
	handle("/", "", notFound)
	if status := s.options.TokensRefusedWith; status != 0 {
		refused := func(d1Call) (d1Answer, *d1Error) { return d1Answer{}, d1ErrorFor(status) }
		handle("/api-access-token", "", refused)
		handle("/api-access-token/", "", refused)
		return mux
	}
	handle("GET /api-access-token", "", s.listTokens)
	handle("POST /api-access-token", d1KindToken, s.createToken)
	handle("GET /api-access-token/{id}", "", s.tokenInfo)
	handle("PUT /api-access-token/{id}", d1KindToken, s.editToken)
	handle("DELETE /api-access-token/{id}", "", s.deleteToken)
	return mux
}

// handle admits a call, reads its body if it has one of that kind, and answers.
func (s *DigiCertOne) handle(w http.ResponseWriter, r *http.Request, reads d1Kind, h d1Handler) {
	caller, refusal := s.admit(r)
	c := d1Call{d1Caller: caller, id: r.PathValue("id"), query: r.URL.Query(), lie: viewOf(r)}
	if refusal == nil && reads != "" {
		c.body, refusal = s.read(r, reads)
	}
	var a d1Answer
	if refusal == nil {
		s.mu.Lock()
		c.at = s.options.Now().UnixNano()
		a, refusal = h(c)
		s.mu.Unlock()
	}
	switch {
	case refusal != nil:
		s.refuse(w, refusal)
	case a.list != nil:
		s.writeList(w, c, a.list)
	case a.object != nil:
		writeJSON(w, a.status, a.object)
	default:
		w.WriteHeader(a.status)
	}
}

// read decodes a request's body. The documents want a Content-Length with it.
func (s *DigiCertOne) read(r *http.Request, kind d1Kind) (d1Object, *d1Error) {
	if r.ContentLength < 0 {
		return nil, d1BadRequest("The Content-Length is missing.")
	}
	var body d1Object
	if refusal := readJSON(r, &body); refusal != nil {
		return nil, d1BadRequest("%s", refusal.message)
	}
	s.options.restore(kind, body)
	return body, nil
}

// writeList sends a list, whole or one page of it. The lock is given back every so often: a list is no snapshot here either.
func (s *DigiCertOne) writeList(w http.ResponseWriter, c d1Call, l *d1List) {
	page, refusal := s.page(c, len(l.ids))
	if refusal != nil {
		s.refuse(w, refusal)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	out := bufio.NewWriterSize(w, 32<<10)
	_, _ = out.WriteString(page.before)
	separator := ""
	for from := page.from; from < page.to; from += keysAtOnce {
		for _, o := range s.render(l, from, min(from+keysAtOnce, page.to)) {
			text, err := json.Marshal(o)
			if err != nil {
				panic(err) // strings, numbers and lists of them
			}
			_, _ = out.WriteString(separator)
			_, _ = out.Write(text)
			separator = ","
		}
	}
	_, _ = out.WriteString(page.after)
	_ = out.Flush() // errors mean that the client is gone
}

func (s *DigiCertOne) render(l *d1List, from, to int) []d1Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]d1Object, 0, to-from)
	for _, id := range l.ids[from:to] {
		if o := l.render(id); o != nil {
			list = append(list, o)
		}
	}
	return list
}

// d1Page is the part of a list that is sent, and what goes around it.
type d1Page struct {
	from, to      int
	before, after string
}

// page reads offset and limit if lists have pages. A limit above the maximum is cut down to it, and the answer says so.
func (s *DigiCertOne) page(c d1Call, total int) (d1Page, *d1Error) {
	largest := s.options.PageLimit
	if largest == 0 {
		return d1Page{to: total, before: "[", after: "]"}, nil
	}
	offset, refusal := c.number("offset", 0)
	if refusal != nil {
		return d1Page{}, refusal
	}
	limit, refusal := c.number("limit", largest)
	if refusal != nil {
		return d1Page{}, refusal
	}
	if limit == 0 || limit > largest {
		limit = largest
	}
	from := min(offset, total)
	if c.lie.repeat {
		from = max(0, from-limit)
	}
	return d1Page{
		from: from, to: min(from+limit, total), after: "]}",
		before: fmt.Sprintf(`{"total":%d,"offset":%d,"limit":%d,"items":[`, total, offset, limit),
	}, nil
}

// number reads an optional number of the query.
func (c d1Call) number(name string, otherwise int) (int, *d1Error) {
	text := c.query.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, d1BadRequest("%s must be a number and not negative.", name)
	}
	return int(n), nil
}
