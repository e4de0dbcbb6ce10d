package engine_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/rotator/rotatortest"
)

// tellsTeam has everything told to one address, whoever the contact is.
func (w *world) tellsTeam() {
	w.setup.Notify = engine.Notify{Kinds: rotator.NoticeKinds(), Recipient: func(string) string { return "team@example.com" }}
}

// notices returns what is in the outbox.
func (l *life) notices() []rotator.Notice {
	l.w.t.Helper()
	ns, err := l.store.DueNotices(l.w.t.Context(), time.Now(), 1000)
	if err != nil {
		l.w.t.Fatal(err)
	}
	return ns
}

func kinds(notices []rotator.Notice) []rotator.NoticeKind {
	var all []rotator.NoticeKind
	for _, n := range notices {
		all = append(all, n.Kind)
	}
	return all
}

// TestContactIsTold of a whole rotation, and never the secret.
func TestContactIsTold(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.tellsTeam()
		l := w.start(nil)
		defer l.stop()
		pass(10 * time.Minute)
		ns := l.notices()
		if !slices.Equal(kinds(ns), []rotator.NoticeKind{rotator.NoticeReplaced}) {
			t.Fatalf("told %v in the grace period", kinds(ns))
		}
		n, r := ns[0], l.only()
		if n.Rotation != r.ID || n.NewKey != r.NewKey || n.OldKey != r.OldKey || !n.GraceUntil.Equal(r.GraceUntil) || len(n.Places) != 2 {
			t.Errorf("%+v", n)
		}
		pass(3 * time.Hour)
		ns = l.notices()
		if !slices.Equal(kinds(ns), []rotator.NoticeKind{rotator.NoticeReplaced, rotator.NoticeRevoked}) {
			t.Errorf("told %v in the end", kinds(ns))
		}
		w.wantNoSecret(ns)
	})
}

// wantNoSecret holds that no secret that any sink has is in a notice.
func (w *world) wantNoSecret(ns []rotator.Notice) {
	w.t.Helper()
	text, err := json.Marshal(ns)
	if err != nil {
		w.t.Fatal(err)
	}
	found := 0
	for _, sink := range w.sinks {
		for _, item := range sink.Items() {
			found++
			if strings.Contains(string(text), item.Secret) {
				w.t.Errorf("a notice holds the secret: %s", text)
			}
		}
	}
	if found == 0 || len(ns) == 0 {
		w.t.Errorf("%d secrets and %d notices: nothing was compared", found, len(ns))
	}
}

// TestBlockIsToldOnce however often the daemon looks at it.
func TestBlockIsToldOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.tellsTeam()
		l := w.start(nil)
		defer l.stop()
		old := w.provider.SecretOf("1")
		for range 24 {
			pass(5 * time.Minute)
			if _, err := w.provider.Use(old); err != nil {
				t.Fatal("the old key was revoked while it was in use")
			}
		}
		if r := l.only(); r.Blocked != rotator.BlockOldKeyInUse {
			t.Fatalf("blocked: %q", r.Blocked)
		}
		if got := kinds(l.notices()); !slices.Equal(got, []rotator.NoticeKind{rotator.NoticeReplaced, rotator.NoticeOldKeyInUse}) {
			t.Errorf("told %v", got)
		}
	})
}

// TestABlockIsToldAgainEverMoreRarely, and so is its end.
func TestABlockIsToldAgainEverMoreRarely(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.tellsTeam()
		w.setup.Notify.Remind = 2 * time.Hour
		w.unhurried()
		l := w.start(nil)
		defer l.stop()
		old := w.provider.SecretOf("1")
		for range 12 * 8 {
			pass(5 * time.Minute)
			if _, err := w.provider.Use(old); err != nil {
				t.Fatal("the old key was revoked while it was in use")
			}
		}
		pass(4 * time.Hour)
		w.wantRotated()
		want := []rotator.NoticeKind{rotator.NoticeReplaced, rotator.NoticeOldKeyInUse, rotator.NoticeOldKeyInUse, rotator.NoticeOldKeyInUse, rotator.NoticeRevoked}
		ns := l.notices()
		if !slices.Equal(kinds(ns), want) {
			t.Fatalf("told %v", kinds(ns))
		}
		if ns[2].Reminder != 1 || ns[3].Reminder != 2 || !ns[3].Since.Equal(ns[1].At) {
			t.Errorf("%+v\n%+v", ns[2], ns[3])
		}
	})
}

// TestChannelsAreToldBesideTheContact, each of what it wants to know.
func TestChannelsAreToldBesideTheContact(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.tellsTeam()
		every := func(*rotator.Rotation) bool { return true }
		w.setup.Notify.Channels = []engine.Channel{
			{Address: "channel:all", Kinds: rotator.NoticeKinds(), Concerns: every},
			{Address: "channel:ends", Kinds: []rotator.NoticeKind{rotator.NoticeRevoked}, Concerns: every},
			{Address: "channel:others", Kinds: rotator.NoticeKinds(), Concerns: func(r *rotator.Rotation) bool { return r.Provider != "cc" }},
		}
		l := w.start(nil)
		defer l.stop()
		pass(4 * time.Hour)
		w.wantRotated()
		got := map[string][]rotator.NoticeKind{}
		ids := map[string]bool{}
		for _, n := range l.notices() {
			got[n.To] = append(got[n.To], n.Kind)
			ids[n.ID] = true
		}
		whole := []rotator.NoticeKind{rotator.NoticeReplaced, rotator.NoticeRevoked}
		if len(got) != 3 || !slices.Equal(got["channel:all"], whole) || !slices.Equal(got["channel:ends"], whole[1:]) || len(ids) != 5 {
			t.Errorf("told %v under %v", got, ids)
		}
		w.wantNoSecret(l.notices())
	})
}

// TestNobodyIsToldUnlessAsked: without a section in the configuration, of other kinds, or without an address.
func TestNobodyIsToldUnlessAsked(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]engine.Notify{
		"not at all":         {},
		"of something else":  {Kinds: []rotator.NoticeKind{rotator.NoticeExtended}, Recipient: func(string) string { return "team@example.com" }},
		"without an address": {Kinds: rotator.NoticeKinds(), Recipient: func(contact string) string { return contact }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.setup.Notify = n
				l := w.start(nil)
				defer l.stop()
				pass(4 * time.Hour)
				w.wantRotated()
				if ns := l.notices(); len(ns) > 0 {
					t.Errorf("told %+v", ns)
				}
			})
		})
	}
}

// TestCrashLosesNoNotice stops the daemon at every point of a rotation: what was told is what happened, once.
func TestCrashLosesNoNotice(t *testing.T) {
	t.Parallel()
	total := toldWithCrash(t, 0)
	for at := 1; at <= total; at += stride {
		t.Run(fmt.Sprint("point ", at), func(t *testing.T) { toldWithCrash(t, at) })
	}
}

func toldWithCrash(t *testing.T, at int) int {
	t.Helper()
	crash := &rotatortest.Crash{At: at}
	bubble(t, func(t *testing.T, w *world) {
		w.tellsTeam()
		w.look = 5 * time.Minute
		first := w.start(crash)
		pass(3 * time.Hour)
		first.stop()
		second := w.start(nil)
		pass(4 * time.Hour)
		defer second.stop()
		w.wantRotated()
		if got := kinds(second.notices()); !slices.Equal(got, []rotator.NoticeKind{rotator.NoticeReplaced, rotator.NoticeRevoked}) {
			t.Errorf("crashed %s: told %v", crash.Where(), got)
		}
	})
	return crash.Points()
}
