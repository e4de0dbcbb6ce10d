package world

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/emulator"
)

// about says what a request is made for; it travels in the request's context.
type about struct {
	op   string // scan, list, mint, check, retire, disable, enable, extend, self, create, show
	user string // whose keys may change
	key  string // the name of the key
	born string // the label of the service user that is made
}

type aboutKey struct{}

func withAbout(ctx context.Context, a about) context.Context {
	return context.WithValue(ctx, aboutKey{}, a)
}

func aboutOf(r *http.Request) about {
	a, _ := r.Context().Value(aboutKey{}).(about)
	return a
}

// network is the way from one life of the daemon to one account. Every request is two points at which the daemon may die.
type network struct {
	l    *life
	acc  *account
	next http.RoundTripper
}

var (
	errLost    = errors.New("connection reset by peer")
	errCrashed = errors.New("the daemon is dead")
)

// RoundTrip implements http.RoundTripper.
func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	what := aboutOf(r)
	n.acc.count(n.l.w.now())
	if err := n.l.point("before " + r.Method + " " + what.op); err != nil {
		return nil, err
	}
	call := n.acc.spec.Name + " " + r.Method + " " + what.op + " " + what.user
	if err := wait(r.Context(), n.l.w.chance.latency(call)); err != nil {
		return nil, err
	}
	stood, err := n.linger(r, what)
	if err != nil {
		return nil, err
	}
	sent := r
	if stood {
		sent = r.WithContext(context.WithoutCancel(r.Context()))
	}
	answer, err := n.send(sent, what, call, stood && n.l.w.replicated() && n.l.w.at(n.acc.spec.Name) != n.l)
	if crashed := n.l.point("after " + r.Method + " " + what.op); crashed != nil {
		err = crashed
	}
	if err == nil {
		err = wait(r.Context(), n.l.w.chance.latency(call))
	}
	if err == nil {
		answer.Header.Set("Date", n.l.w.now().UTC().Format(http.TimeFormat))
	}
	if err != nil && answer != nil {
		_ = answer.Body.Close()
		answer = nil
	}
	return answer, err
}

// linger is the last moment before a create leaves the daemon. One that stands still there sends the call when it wakes up, whatever
// has become of its lease: no program can look once more in between. Other calls end with their context.
func (n *network) linger(r *http.Request, what about) (stood bool, err error) {
	if !creates(r, what) {
		return false, nil
	}
	return n.l.pass("as it sends the call that makes " + what.key + what.born)
}

func creates(r *http.Request, what about) bool {
	return (what.op == "mint" || what.born != "") && r.Method != http.MethodGet
}

// asked tells the oracle of a call that makes something.
func (n *network) asked(what about, late bool, sent time.Time) {
	o, account := n.l.w.oracle, n.acc.spec.Name
	if what.born != "" {
		o.AskedForUser(account, what.born, late, sent)
		return
	}
	o.Asked(n.acc.credentialOf(what), account+"/"+what.user, what.key, late, sent)
}

// refused tells the oracle that nothing was made.
func (n *network) refused(what about) {
	o, account := n.l.w.oracle, n.acc.spec.Name
	if what.born != "" {
		o.RefusedUser(account, what.born)
		return
	}
	o.Refused(account+"/"+what.user, what.key)
}

// send lets the call go wrong, or through.
func (n *network) send(r *http.Request, what about, call string, late bool) (*http.Response, error) {
	sent := n.l.w.daemonNow()
	if r.Method != http.MethodGet && n.l.w.replicated() && !late {
		n.l.w.oracle.Called(n.acc.spec.Name, n.l.name, what.op+" "+what.key+what.born, time.Now())
	}
	if creates(r, what) {
		n.asked(what, late, sent)
	}
	if late {
		n.l.w.happened("late_create")
		n.l.w.tell("daemon", "replica %s wakes up and sends the call that makes %s", n.l.name, what.key+what.born)
	}
	answer, fault, err := n.disturb(r, call)
	if r.Method != http.MethodGet {
		n.acc.settle(what, by{daemon: true, late: late}, sent)
		n.acc.bear(what.born, by{daemon: true, late: late}, sent)
	}
	if creates(r, what) && err == nil && refuses(answer.StatusCode) {
		n.refused(what)
	}
	switch fault {
	case Forgets, EmptyList, RepeatedPage, Shifts:
		n.l.w.oracle.Blinded(n.acc.spec.Name, sent)
		n.acc.lies()
	default:
	}
	if fault != "" {
		n.l.w.tell("fault", "%s at %s: %s %s %s", fault, n.acc.spec.Name, r.Method, what.op, what.key)
	}
	return answer, err
}

// refuses reports whether the status promises that nothing was done.
func refuses(status int) bool {
	return status >= 400 && status < 500 && status != http.StatusRequestTimeout
}

func (n *network) disturb(r *http.Request, call string) (*http.Response, Fault, error) {
	if why := n.acc.outage(n.l.w.now()); why != "" {
		answer, err := n.strike(r, why, nil)
		return answer, why, err
	}
	faults := []Fault{LostBefore, LostAfter, TimeoutBefore, TimeoutAfter, Throttled, ThrottledFor, ServerError, ErrorAfter, Unauthorized, Forbidden, Garbage, Truncated}
	if r.Method == http.MethodGet {
		faults = append(faults, RepeatedPage, Forgets, ShowsTwice, EmptyList, Shifts)
	}
	fault, draw := n.l.w.chance.strikes(call, faults...)
	if fault == "" {
		answer, err := n.acc.pass(r, n.next, nil)
		return answer, "", err
	}
	answer, err := n.strike(r, fault, func(most int) int { return draw.IntN(most) })
	return answer, fault, err
}

// timeout is beyond every timeout of a provider.
const timeout = 45 * time.Second

// strike carries one fault out. draw picks below a bound; it may be nil where the choice does not matter.
func (n *network) strike(r *http.Request, f Fault, draw func(most int) int) (*http.Response, error) {
	pick := func(most int) int {
		if draw == nil {
			return 0
		}
		return draw(most)
	}
	status := func(code int, after bool, retry time.Duration) (*http.Response, error) {
		return n.acc.pass(r, n.next, &emulator.Effect{Kind: emulator.EffectStatus, Status: code, AfterEffect: after, RetryAfter: emulator.Duration(retry)})
	}
	some := func(kind emulator.EffectKind) (*http.Response, error) {
		return n.acc.pass(r, n.next, &emulator.Effect{Kind: kind, Entry: "*" + strconv.Itoa(pick(10))})
	}
	switch f {
	case LostBefore:
		return nil, errLost
	case LostAfter:
		return n.lose(r, 0)
	case TimeoutBefore:
		return nil, orLost(wait(r.Context(), timeout))
	case TimeoutAfter:
		return n.lose(r, timeout)
	case Throttled:
		return status(http.StatusTooManyRequests, false, 0)
	case ThrottledFor:
		return status(http.StatusTooManyRequests, false, time.Duration(1+pick(600))*time.Second)
	case ServerError:
		return status([]int{500, 502, 503}[pick(3)], false, 0)
	case ErrorAfter:
		return status(http.StatusInternalServerError, true, 0)
	case Unauthorized:
		return status(http.StatusUnauthorized, false, 0)
	case Forbidden:
		return status(http.StatusForbidden, false, 0)
	case Garbage:
		return n.acc.pass(r, n.next, &emulator.Effect{Kind: emulator.EffectGarbage})
	case Truncated:
		return n.acc.pass(r, n.next, &emulator.Effect{Kind: emulator.EffectTruncate})
	case RepeatedPage:
		return n.acc.pass(r, n.next, &emulator.Effect{Kind: emulator.EffectRepeatPage})
	case Forgets:
		return some(emulator.EffectForget)
	case ShowsTwice:
		return some(emulator.EffectDuplicate)
	case EmptyList:
		return n.acc.pass(r, n.next, &emulator.Effect{Kind: emulator.EffectEmptyList})
	default: // Shifts
		if strings.Contains(r.URL.RawQuery, "offset=") && !strings.Contains(r.URL.RawQuery, "offset=0") {
			n.acc.loseStranger()
		}
		return n.acc.pass(r, n.next, nil)
	}
}

// lose carries the call out and keeps its answer.
func (n *network) lose(r *http.Request, after time.Duration) (*http.Response, error) {
	answer, err := n.acc.pass(r, n.next, nil)
	if err != nil {
		return nil, err
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	return nil, orLost(wait(r.Context(), after))
}

func orLost(err error) error {
	if err != nil {
		return err
	}
	return errLost
}

// wait lets the fake clock run, or returns when ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
