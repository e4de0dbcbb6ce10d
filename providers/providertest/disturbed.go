package providertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// every runs a test for each disturbance with a harness of its own.
func every(t *testing.T, start func(*testing.T) Harness, list []Disturbance, test func(*testing.T, Harness, Disturbance)) {
	t.Helper()
	for _, d := range list {
		t.Run(string(d), func(t *testing.T) { test(t, start(t), d) })
	}
}

func runDisturbedScan(t *testing.T, start func(*testing.T) Harness) {
	list := []Disturbance{LostBefore, LostAfter, ResetBefore, FailBefore, Throttled, Refused, Garbage, Truncated, Cut, RepeatPage}
	for _, nth := range []int{1, 2, 4} {
		t.Run(fmt.Sprintf("request %d", nth), func(t *testing.T) {
			every(t, start, list, func(t *testing.T, h Harness, d Disturbance) { disturbedScan(t, h, nth, d) })
		})
	}
}

// disturbedScan holds the scan to its word: nil only if everything was seen. It may try again inside, as reads may.
func disturbedScan(t *testing.T, h Harness, nth int, d Disturbance) {
	users, keys := fleet(t, h, 2*h.PageSize+1)
	h.Disturb(t, OpScan, nth, d)
	inv, err := scan(t.Context(), h.Provider, rotator.Scope{})
	if err == nil {
		if missing := inv.missing(users, keys); len(missing) > 0 {
			t.Errorf("the scan succeeded without %v", missing)
		}
		return
	}
	noSecret(t, "the error", err.Error(), h.Secrets)
	wantKind(t, "Scan", err, rotator.Transient, rotator.Throttled, rotator.Denied, rotator.Invalid)
	if d == Throttled {
		wantKind(t, "Scan", err, rotator.Throttled)
		if got := rotator.RetryAfterOf(err); got != time.Minute {
			t.Errorf("the fault says to wait %v, the service said 60 seconds", got)
		}
	}
	if d == Refused {
		wantKind(t, "Scan", err, rotator.Denied)
	}
	if _, err := scan(t.Context(), h.Provider, rotator.Scope{}); err != nil {
		t.Errorf("the scan after the disturbance: %v", err)
	}
}

func runDisturbedMint(t *testing.T, start func(*testing.T) Harness) {
	want := map[Disturbance]struct {
		kind rotator.Kind
		keys int
	}{
		LostBefore:  {rotator.UnknownOutcome, 0},
		LostAfter:   {rotator.UnknownOutcome, 1},
		ResetBefore: {rotator.UnknownOutcome, 0},
		ResetAfter:  {rotator.UnknownOutcome, 1},
		FailBefore:  {rotator.UnknownOutcome, 0},
		FailAfter:   {rotator.UnknownOutcome, 1},
		Garbage:     {rotator.UnknownOutcome, 1},
		Truncated:   {rotator.UnknownOutcome, 1},
		Cut:         {rotator.UnknownOutcome, 1},
		Throttled:   {rotator.Throttled, 0},
		Refused:     {rotator.Denied, 0},
	}
	for d, w := range want {
		t.Run(string(d), func(t *testing.T) {
			h := start(t)
			user := h.AddUser(t)
			h.AddKey(t, user, "old")
			// A connection that was used before is where a client is most tempted to send a request again.
			if _, err := scan(t.Context(), h.Provider, rotator.Scope{}); err != nil {
				t.Fatalf("Scan: %v", err)
			}
			h.Disturb(t, OpMint, 1, d)
			_, err := h.Provider.Mint(t.Context(), h.request(user, "ci-r0001"))
			wantKind(t, "Mint", err, w.kind)
			noSecret(t, "the error", fmt.Sprint(err), h.Secrets)
			if got := h.Requests(OpMint); got != 1 {
				t.Errorf("Mint made %d requests, want 1", got)
			}
			if got := active(h.Keys(t, user), "ci-r0001"); got != w.keys {
				t.Errorf("the system has %d keys of that name, want %d", got, w.keys)
			}
		})
	}
}

func runDisturbedCheck(t *testing.T, start func(*testing.T) Harness) {
	list := []Disturbance{LostBefore, LostAfter, ResetBefore, FailBefore, Throttled, Garbage, Truncated, Cut}
	every(t, start, list, func(t *testing.T, h Harness, d Disturbance) {
		user := h.AddUser(t)
		_, secret := h.AddKey(t, user, "ci")
		h.Disturb(t, OpCheck, 1, d)
		err := h.Provider.Check(t.Context(), user, secret)
		if err == nil {
			if h.Requests(OpCheck) < 2 {
				t.Error("the check succeeded without an answer")
			}
			return
		}
		// Nothing here says anything about the key.
		wantKind(t, "Check", err, rotator.Transient, rotator.Throttled)
		noSecret(t, "the error", err.Error(), append(h.Secrets, string(secret.Reveal())))
	})
}

func runDisturbedRetire(t *testing.T, start func(*testing.T) Harness) {
	list := []Disturbance{LostBefore, LostAfter, ResetBefore, ResetAfter, FailBefore, FailAfter, Throttled, Refused, Cut}
	every(t, start, list, func(t *testing.T, h Harness, d Disturbance) {
		user := h.AddUser(t)
		id, secret := h.AddKey(t, user, "old")
		key := rotator.Key{ID: id, UserID: user}
		h.Disturb(t, OpRetire, 1, d)
		err := h.Provider.Retire(t.Context(), key)
		if err == nil && active(h.Keys(t, user), "old") != 0 {
			t.Error("Retire succeeded and the key is still active")
		}
		if err != nil {
			noSecret(t, "the error", err.Error(), append(h.Secrets, string(secret.Reveal())))
		}
		if got := h.Requests(OpRetire); got != 1 {
			t.Errorf("Retire made %d requests that write, want 1", got)
		}
		if err := h.Provider.Retire(t.Context(), key); err != nil {
			t.Errorf("Retire after the disturbance: %v", err)
		}
		if active(h.Keys(t, user), "old") != 0 {
			t.Error("the key is still active")
		}
	})
}
