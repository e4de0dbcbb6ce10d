package emulator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// EffectKind names a way to misbehave.
type EffectKind string

// The effects. Those that answer in the handler's place do so before anything happened, unless [Effect.AfterEffect]
// is set: then the call is carried out and only its answer suffers.
const (
	EffectLost       EffectKind = "lost"        // the connection is closed without an answer
	EffectReset      EffectKind = "reset"       // the connection is reset (RST) without an answer
	EffectStatus     EffectKind = "status"      // Status, with RetryAfter and Body if given
	EffectDelay      EffectKind = "delay"       // the answer comes after Delay
	EffectGarbage    EffectKind = "garbage"     // always after the effect: the right status, a body that is no JSON
	EffectTruncate   EffectKind = "truncate"    // always after: the body ends after Bytes (default: half), cleanly
	EffectCut        EffectKind = "cut"         // always after: the connection is closed after Bytes of the body (default: half)
	EffectSlow       EffectKind = "slow"        // the body comes in pieces of Bytes (default 1), each after Delay
	EffectRepeatPage EffectKind = "repeat_page" // a paged list shows the page before, under this page's offset
	EffectForget     EffectKind = "forget"      // a list leaves out the entries that Entry matches
	EffectDuplicate  EffectKind = "duplicate"   // a list shows the entries that Entry matches twice
	EffectEmptyList  EffectKind = "empty_list"  // a list shows nothing and says that there is nothing
)

// Effect is what a fault does to a call.
type Effect struct {
	Kind EffectKind `yaml:"kind" json:"kind"`
	// AfterEffect lets the call be carried out before lost, reset, status and delay strike.
	AfterEffect bool `yaml:"after_effect" json:"after_effect,omitempty"`
	// Status is the code of a status effect, 200 to 599.
	Status int `yaml:"status" json:"status,omitempty"`
	// RetryAfter is sent with a status effect, in whole seconds or, with RetryAfterDate, as an HTTP date.
	RetryAfter     Duration `yaml:"retry_after" json:"retry_after,omitzero"`
	RetryAfterDate bool     `yaml:"retry_after_date" json:"retry_after_date,omitempty"`
	// Body replaces the body of a status or garbage effect. A status without one has the system's documented error body.
	Body string `yaml:"body" json:"body,omitempty"`
	// Delay is for delay and slow.
	Delay Duration `yaml:"delay" json:"delay,omitzero"`
	// Bytes is for truncate, cut and slow.
	Bytes int `yaml:"bytes" json:"bytes,omitempty"`
	// Entry is a glob over the id and the name of list entries, for forget and duplicate.
	Entry string `yaml:"entry" json:"entry,omitempty"`
}

// Duration is a time.Duration that is written as "1m30s" in scenario files and in the admin API.
type Duration time.Duration

// UnmarshalText reads "1m30s".
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration; write one such as 250ms or 1m30s", text)
	}
	if parsed < 0 {
		return fmt.Errorf("the duration %q must not be negative", text)
	}
	*d = Duration(parsed)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

type applier func(e Effect, w http.ResponseWriter, r *http.Request, next http.Handler)

var appliers = map[EffectKind]applier{
	EffectLost:     Effect.lose,
	EffectReset:    Effect.reset,
	EffectStatus:   Effect.answerStatus,
	EffectDelay:    Effect.delay,
	EffectGarbage:  Effect.garble,
	EffectTruncate: Effect.truncate,
	EffectCut:      Effect.cut,
	EffectSlow:     Effect.trickle,
	EffectRepeatPage: func(_ Effect, w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(w, withView(r, view{repeat: true}))
	},
	EffectForget: func(e Effect, w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(w, withView(r, view{forget: e.Entry}))
	},
	EffectDuplicate: func(e Effect, w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(w, withView(r, view{duplicate: e.Entry}))
	},
	EffectEmptyList: func(_ Effect, w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(w, withView(r, view{empty: true}))
	},
}

// check says what is wrong with an effect, in terms of what to write instead.
func (e Effect) check() error {
	var mistakes []error
	if _, ok := appliers[e.Kind]; !ok {
		kinds := make([]string, 0, len(appliers))
		for _, k := range slices.Sorted(maps.Keys(appliers)) {
			kinds = append(kinds, string(k))
		}
		mistakes = append(mistakes, fmt.Errorf("effect.kind %q is unknown; it is one of %s", e.Kind, strings.Join(kinds, ", ")))
	}
	if e.Kind == EffectStatus && (e.Status < 200 || e.Status > 599) {
		mistakes = append(mistakes, fmt.Errorf("effect.status %d must lie between 200 and 599", e.Status))
	}
	if (e.Kind == EffectForget || e.Kind == EffectDuplicate) && e.Entry == "" {
		mistakes = append(mistakes, fmt.Errorf("effect.entry must say which entries to %s", e.Kind))
	}
	if (e.Kind == EffectDelay || e.Kind == EffectSlow) && e.Delay <= 0 {
		mistakes = append(mistakes, fmt.Errorf("effect.delay must be set for %s", e.Kind))
	}
	if e.Bytes < 0 {
		mistakes = append(mistakes, errors.New("effect.bytes must not be negative"))
	}
	return errors.Join(mistakes...)
}

// apply strikes. It takes in the request's body first: net/http notices that a client has left only once the body is read.
func (e Effect) apply(w http.ResponseWriter, r *http.Request, next http.Handler) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	if err != nil {
		panic(http.ErrAbortHandler) // the client has gone already
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	appliers[e.Kind](e, w, r, next)
}

// carryOut does what the call asks for, if the effect strikes after it, and throws the answer away.
func (e Effect) carryOut(r *http.Request, next http.Handler) {
	if e.AfterEffect {
		record(r, next)
	}
}

func (e Effect) lose(_ http.ResponseWriter, r *http.Request, next http.Handler) {
	e.carryOut(r, next)
	panic(http.ErrAbortHandler) // net/http closes the connection and says nothing
}

func (e Effect) reset(w http.ResponseWriter, r *http.Request, next http.Handler) {
	e.carryOut(r, next)
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2 and transports in memory have no connection to reset
	}
	raw := conn
	if wrapped, ok := conn.(interface{ NetConn() net.Conn }); ok {
		raw = wrapped.NetConn()
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // closing now sends RST; if it fails the connection closes all the same
	}
	_ = conn.Close()
}

func (e Effect) answerStatus(w http.ResponseWriter, r *http.Request, next http.Handler) {
	e.carryOut(r, next)
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", e.retryAfter())
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	_, _ = w.Write([]byte(e.Body))
}

func (e Effect) retryAfter() string {
	d := time.Duration(e.RetryAfter)
	if e.RetryAfterDate {
		return time.Now().Add(d).UTC().Format(http.TimeFormat)
	}
	return strconv.Itoa(int((d + time.Second - 1) / time.Second))
}

func (e Effect) delay(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if !e.AfterEffect {
		if e.pause(r) {
			next.ServeHTTP(w, r)
		}
		return
	}
	answer := record(r, next)
	if e.pause(r) {
		answer.send(w, answer.body.Bytes())
	}
}

// pause waits for Delay and reports whether the client is still there.
func (e Effect) pause(r *http.Request) bool {
	timer := time.NewTimer(time.Duration(e.Delay))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

func (e Effect) garble(w http.ResponseWriter, r *http.Request, next http.Handler) {
	answer := record(r, next)
	body := e.Body
	if body == "" {
		body = "<html><body>The service is having a rest.</body></html>"
	}
	answer.send(w, []byte(body))
}

// part is the piece of a body that truncate and cut let through: never all of it.
func (e Effect) part(body []byte) []byte {
	if e.Bytes > 0 && e.Bytes < len(body) {
		return body[:e.Bytes]
	}
	return body[:len(body)/2]
}

func (e Effect) truncate(w http.ResponseWriter, r *http.Request, next http.Handler) {
	answer := record(r, next)
	answer.send(w, e.part(answer.body.Bytes()))
}

func (e Effect) cut(w http.ResponseWriter, r *http.Request, next http.Handler) {
	answer := record(r, next)
	answer.header.Set("Content-Length", strconv.Itoa(answer.body.Len()))
	answer.send(w, e.part(answer.body.Bytes()))
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func (e Effect) trickle(w http.ResponseWriter, r *http.Request, next http.Handler) {
	answer := record(r, next)
	maps.Copy(w.Header(), answer.header)
	w.WriteHeader(answer.status)
	for piece := range slices.Chunk(answer.body.Bytes(), max(e.Bytes, 1)) {
		if _, err := w.Write(piece); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		if !e.pause(r) {
			return
		}
	}
}

// recorded is an answer that was kept instead of sent.
type recorded struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func record(r *http.Request, next http.Handler) *recorded {
	answer := &recorded{header: http.Header{}, status: http.StatusOK}
	next.ServeHTTP(answer, r)
	return answer
}

// Header implements http.ResponseWriter.
func (a *recorded) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *recorded) WriteHeader(status int) { a.status = status }

// Write implements http.ResponseWriter.
func (a *recorded) Write(p []byte) (int, error) { return a.body.Write(p) }

// send writes the recorded status and headers, and body in place of the recorded one.
func (a *recorded) send(w http.ResponseWriter, body []byte) {
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	_, _ = w.Write(body) //nolint:gosec // what the handler answered, under its own content type
}
