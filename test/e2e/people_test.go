package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/rotatord/rotatord/test/daemon"
	"github.com/rotatord/rotatord/web"
)

// This file is about keys that people make and remove: what the daemon asks of them, and how they answer.

// peoplePolicy replaces keys that end within 30 days.
const peoplePolicy = `scan: {schedule: "@every 1s"}
log: {level: debug}
policies:
  - {name: people, lifetime: 90d, renew_before: 30d, grace: 1s, idle: 0s, jitter: 0%, sinks: [vault, disk]}
`

// credential names a service's credential for commands.
func (f *fleet) credential(s daemon.Service) string {
	user := s.UserID
	if user == "" {
		user = s.Name
	}
	return fmt.Sprintf("%s/%s/%s", f.provider.Name(), user, s.Key)
}

// awaitAsked waits until the status asks a person for something, with the exit code for that, and says how to do it.
func (f *fleet) awaitAsked(reason string, words ...string) {
	f.t.Helper()
	daemon.Await(f.t, daemon.Patience, "the status to say "+reason, func() error {
		out, _, code := f.d.Command("status")
		if code != 3 || !strings.Contains(out, reason) {
			return fmt.Errorf("status ends with %d and prints %s", code, out)
		}
		for _, w := range words {
			if !strings.Contains(out, w) {
				return fmt.Errorf("status does not say %q: %s", w, out)
			}
		}
		return nil
	})
	f.awaitMetric(1, "rotatord_rotations_blocked", fmt.Sprintf("reason=%q", reason))
}

// supply hands a key over on standard input and fails the test if it is not taken.
func (f *fleet) supply(s daemon.Service, key string, expires time.Time) {
	f.t.Helper()
	f.provider.Learn(key)
	args := []string{"supply", f.credential(s)}
	if !expires.IsZero() {
		args = append(args, "--expires", expires.Format(time.RFC3339))
	}
	if out, errs, code := f.d.Feed(key+"\n", args...); code != 0 || strings.Contains(out+errs, key) {
		f.t.Fatalf("supply ends with %d: %s", code, strings.ReplaceAll(out+errs, key, "[THE KEY]"))
	}
}

// refused hands over something that must not be taken, and returns what is said.
func (f *fleet) refused(s daemon.Service, key string, args ...string) string {
	f.t.Helper()
	out, errs, code := f.d.Feed(key+"\n", append([]string{"supply", f.credential(s)}, args...)...)
	if code == 0 {
		f.t.Errorf("a key was taken that should not be: %s", out)
	}
	return out + errs
}

// removed tells the daemon that a person removed the old key.
func (f *fleet) removed(s daemon.Service) {
	f.t.Helper()
	if out, errs, code := f.d.Command("removed", f.credential(s)); code != 0 {
		f.t.Fatalf("removed ends with %d: %s%s", code, out, errs)
	}
}

// hold checks that both sinks hold that very key, and that it works.
func (f *fleet) hold(s daemon.Service, key string) {
	f.t.Helper()
	for sink, read := range f.readers(s) {
		if secret, err := read(f.t.Context()); err != nil || secret != key {
			f.t.Errorf("%s does not hold the new key of %s: %v", sink, s.Name, err)
		}
	}
}

// rests waits until nothing needs a person, and nothing moves.
func (f *fleet) rests() {
	f.t.Helper()
	daemon.Await(f.t, daemon.Patience, "nothing to be left to do", func() error {
		out, errs, code := f.d.Command("status", "-o", "json")
		var st web.Status
		if err := json.Unmarshal([]byte(out), &st); err != nil {
			return fmt.Errorf("status prints %q %q: %w", out, errs, err)
		}
		if code != 0 || st.NeedsPerson || len(st.InMotion)+len(st.Waiting)+len(st.Attention) > 0 {
			return fmt.Errorf("status ends with %d and prints %s", code, out)
		}
		return nil
	})
}

// waits is whether a rotation is of the fleet's provider and waits for that reason.
func (f *fleet) waits(reason string) func(web.Rotation) bool {
	return func(r web.Rotation) bool { return r.Provider == f.provider.Name() && r.Blocked == reason }
}
