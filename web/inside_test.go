package web

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/rotatord/rotatord/docs"
	"github.com/rotatord/rotatord/rotator"
)

func TestStatusOfEachKind(t *testing.T) {
	want := map[rotator.Kind]int{
		rotator.Transient: 503, rotator.Throttled: 429, rotator.Denied: 502, rotator.Conflict: 409,
		rotator.Gone: 404, rotator.Invalid: 422, rotator.UnknownOutcome: 502,
	}
	for _, k := range rotator.Kinds() {
		p := problemOf(fmt.Errorf("asking: %w", rotator.NewFault("ask", k, "no")))
		if p.Status != want[k] || p.Kind != string(k) || p.Title != http.StatusText(want[k]) || p.Detail != fmt.Sprintf("asking: ask: no (%s)", k) {
			t.Errorf("%s: %+v", k, p)
		}
	}
	if p := problemOf(errors.New("disk full")); p.Status != 500 || p.Kind != "" {
		t.Errorf("unclassified: %+v", p)
	}
	if statusOf("new") != 500 {
		t.Error("a kind that nobody knows is the daemon's own trouble")
	}
}

func TestRetryAfter(t *testing.T) {
	f := rotator.NewFault("ask", rotator.Throttled, "slow down")
	if h := problemOf(f).GetHeaders(); h.Get("Retry-After") != "" {
		t.Errorf("got %v for an unknown time", h)
	}
	f.RetryAfter = 1500 * time.Millisecond
	if h := problemOf(f).GetHeaders(); h.Get("Retry-After") != "2" {
		t.Errorf("got %v, want it rounded up", h)
	}
}

func TestEveryBlockHasAdvice(t *testing.T) {
	for _, b := range rotator.BlockReasons() {
		if advice[string(b)] == "" {
			t.Errorf("nobody says what to do about %s", b)
		}
	}
	own := []string{reasonBreaker, reasonScanFailed, reasonJournal, reasonLeak, rotator.ComplaintTrouble, rotator.ComplaintDrift}
	for _, o := range rotator.VerifyOutcomes() {
		if o.NeedsPerson() {
			own = append(own, reasonVerified+string(o))
		}
	}
	for _, own := range own {
		if advice[own] == "" {
			t.Errorf("nobody says what to do about %s", own)
		}
	}
	if want := len(rotator.BlockReasons()) + len(own); len(advice) != want {
		t.Errorf("there is advice about %d reasons and there are %d", len(advice), want)
	}
}

func TestOnlyChosenBlocksNeedNobody(t *testing.T) {
	var nobody []rotator.BlockReason
	for _, b := range rotator.BlockReasons() {
		if !needsPerson(b) {
			nobody = append(nobody, b)
		}
	}
	if diff := cmp.Diff([]rotator.BlockReason{rotator.BlockHeld, rotator.BlockFrozen, rotator.BlockOutsideWindow}, nobody); diff != "" {
		t.Error(diff)
	}
}

func TestEveryStageHasWords(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range rotator.Stages() {
		w := stageWords(Rotation{Stage: string(s)})
		if w == "" || seen[w] {
			t.Errorf("%s: %q", s, w)
		}
		seen[w] = true
	}
	if got := stageStep(Rotation{Stage: "planned"}); got != 1 {
		t.Errorf("planned is step %d", got)
	}
	if got := stageStep(Rotation{Stage: "abandoning"}); got != 0 {
		t.Errorf("abandoning is step %d of a path that it is not on", got)
	}
}

func TestAway(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "now", 999 * time.Millisecond: "now", -500 * time.Millisecond: "now",
		59 * time.Second: "in 59 s", -time.Minute: "1 min ago", 119 * time.Minute: "in 2 h", 2 * time.Hour: "in 2 h",
		-47 * time.Hour: "47 h ago", 48 * time.Hour: "in 2 days", -400 * 24 * time.Hour: "400 days ago",
	} {
		if got := away(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
	if at(time.Time{}, time.Now()) != nil {
		t.Error("no time is never")
	}
}

func TestSoonest(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name string
		a, b time.Time
		want int
	}{
		{"both never", time.Time{}, time.Time{}, 0}, {"never is last", time.Time{}, now, 1}, {"before never", now, time.Time{}, -1},
		{"earlier", now, now.Add(1), -1}, {"later", now.Add(1), now, 1},
	} {
		if got := soonest(c.a, c.b); got != c.want {
			t.Errorf("%s: %d", c.name, got)
		}
	}
}

func TestSlog(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	log := slogTo(zap.New(core)).With("a", 1)
	log.Info("started", "address", "x")
	log.WithGroup("g").Error("broken", "err", "why")
	got := logs.AllUntimed()
	if len(got) != 2 || got[0].Level != zapcore.DebugLevel || got[0].ContextMap()["address"] != "x" || got[0].ContextMap()["a"] != int64(1) {
		t.Errorf("got %+v", got)
	}
	if got[1].Level != zapcore.ErrorLevel || got[1].Message != "broken" || got[1].LoggerName != "http" {
		t.Errorf("got %+v", got[1])
	}
	core, logs = observer.New(zapcore.WarnLevel)
	log = slogTo(zap.New(core))
	log.Info("not of interest")
	log.Warn("of interest")
	if log.Enabled(t.Context(), slog.LevelInfo) || logs.Len() != 1 {
		t.Errorf("logged %d", logs.Len())
	}
}

// Whatever the pages may show as a reason has its words and its place in the runbooks.
func TestEveryReasonHasWordsAndARunbook(t *testing.T) {
	for reason := range advice {
		if reasonNames[reason] == "" {
			t.Errorf("%s has no words", reason)
		}
		if !strings.Contains(string(runbooks()), ` id="`+reason+`"`) {
			t.Errorf("%s has no runbook", reason)
		}
		alert, fires := alertOf[reason]
		if _, known := docs.Runbook(alert); fires != known {
			t.Errorf("%s leads to the runbook of %q, which there is: %t", reason, alert, known)
		}
		// A window opens by itself; a leak that is not confirmed is told of on the page and by the command that reported it.
		if !fires && !slices.Contains([]string{string(rotator.BlockOutsideWindow), reasonLeak}, reason) {
			t.Errorf("%s has no alert", reason)
		}
	}
}

func TestReadable(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"heading":   {"## What *is* `a_b`", "<h2 id=\"what-is-a_b\">What <em>is</em> <code>a_b</code></h2>\n"},
		"paragraph": {"one\n**two** <3\n\nthree", "<p>one <strong>two</strong> &lt;3</p>\n<p>three</p>\n"},
		"code":      {"a `**x** [y](z)`", "<p>a <code>**x** [y](z)</code></p>\n"},
		"links":     {"[a](#b) [c](d.md) [e](https://e)", `<p><a href="#b">a</a> c <a href="https://e">e</a></p>` + "\n"},
		"no script": {`[a](javascript:alert) [b](https://x"onclick=y)`, `<p>a <a href="https://x&#34;onclick=y">b</a></p>` + "\n"},
		"lists":     {"- a\n  b\n- c\n\n1. d\n2. e", "<ul>\n<li>a b</li>\n<li>c</li>\n</ul>\n<ol>\n<li>d</li>\n<li>e</li>\n</ol>\n"},
		"fence":     {"```sh\na <b\n```\nc", "<pre>a &lt;b</pre>\n<p>c</p>\n"},
		"no end":    {"```\na", "<pre>a</pre>\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := string(readable(c.text)); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestAdviceNamesWhatItIsAbout(t *testing.T) {
	about := CredentialName{Provider: "cc", UserID: "o'neil", Credential: "ci"}
	for reason, want := range map[string]string{
		string(rotator.BlockHeld):             `rotatord release 'cc/o'\''neil/ci'`,
		string(rotator.BlockSinkMismatch):     `rotatord rotate --start-over 'cc/o'\''neil/ci'`,
		string(rotator.BlockAwaitingApproval): "rotatord approve cc",
	} {
		if got := adviceOn(reason, about); !strings.HasSuffix(got, want) {
			t.Errorf("%s: %q does not end with %q", reason, got, want)
		}
	}
	for reason := range advice {
		if got := adviceOn(reason, about); strings.Contains(got, "PROVIDER") {
			t.Errorf("%s: %q leaves it to the reader to fill in a name", reason, got)
		}
	}
}

func TestProofs(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	old := rotator.TrackedKey{Key: rotator.Key{ID: "1", LastUsed: now.Add(-30 * time.Hour)}}
	good := rotator.Rotation{Stage: rotator.StageGrace, OldKey: rotator.KeyRef{ID: "1"}, GraceUntil: now.Add(-time.Hour), Terms: rotator.Terms{Idle: 24 * time.Hour},
		Sinks: []rotator.SinkProgress{{Sink: "vault", ConfirmedAt: now.Add(-time.Hour)}}}
	for name, c := range map[string]struct {
		change func(r *rotator.Rotation, k *rotator.TrackedKey) *rotator.Hold
		fails  string
	}{
		"all hold": {func(*rotator.Rotation, *rotator.TrackedKey) *rotator.Hold { return nil }, ""},
		"not tried": {func(r *rotator.Rotation, _ *rotator.TrackedKey) *rotator.Hold {
			r.Stage = rotator.StageTesting
			return nil
		}, "signs in"},
		"refused": {func(r *rotator.Rotation, _ *rotator.TrackedKey) *rotator.Hold {
			r.Blocked = rotator.BlockNewKeyRefused
			return nil
		}, "signs in"},
		"a sink lacks it": {func(r *rotator.Rotation, _ *rotator.TrackedKey) *rotator.Hold {
			r.Sinks[0].ConfirmedAt = time.Time{}
			return nil
		}, "sink"},
		"another key": {func(r *rotator.Rotation, _ *rotator.TrackedKey) *rotator.Hold {
			r.Blocked = rotator.BlockSinkMismatch
			return nil
		}, "sink"},
		"in grace":     {func(r *rotator.Rotation, _ *rotator.TrackedKey) *rotator.Hold { r.GraceUntil = now.Add(1); return nil }, "grace"},
		"before grace": {func(r *rotator.Rotation, _ *rotator.TrackedKey) *rotator.Hold { r.GraceUntil = time.Time{}; return nil }, "grace"},
		"used": {func(_ *rotator.Rotation, k *rotator.TrackedKey) *rotator.Hold {
			k.LastUsed = now.Add(-23 * time.Hour)
			return nil
		}, "not used for 24 h"},
		"found in use": {func(r *rotator.Rotation, _ *rotator.TrackedKey) *rotator.Hold {
			r.Blocked = rotator.BlockOldKeyInUse
			return nil
		}, "not used for 24 h"},
		"held": {func(*rotator.Rotation, *rotator.TrackedKey) *rotator.Hold {
			return &rotator.Hold{By: "ada", Until: now.Add(1)}
		}, "hold"},
	} {
		t.Run(name, func(t *testing.T) {
			r, k := good, old
			r.Sinks = slices.Clone(good.Sinks)
			hold := c.change(&r, &k)
			var failing []string
			for _, p := range proofsOf(&r, []rotator.TrackedKey{k}, hold, now) {
				if !p.Holds {
					failing = append(failing, p.What)
				}
			}
			got := strings.Join(failing, "; ")
			if c.fails == "" && got != "" || c.fails != "" && !strings.Contains(got, c.fails) {
				t.Errorf("fails: %q, want %q", got, c.fails)
			}
		})
	}
	if first := (&rotator.Rotation{Stage: rotator.StageTesting}); proofsOf(first, nil, nil, now) != nil {
		t.Error("a first key ends no old one")
	}
}
