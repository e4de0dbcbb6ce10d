package web

import (
	"context"
	"net/http"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// done has what the page says after an action, by the word in its address. The words are fixed, so that no link can put
// others into the daemon's mouth.
var done = map[string]string{
	"rotate":  "The rotation is planned and begins by itself; it is shown below.",
	"hold":    "The hold is in force.",
	"release": "The hold is released; what waited for it goes on.",
	"undo":    "The old key is being switched on again, and a hold keeps it on.",
	"approve": "The rotations that wait now may start.",
	"verify":  "Every sink was read back and the key was tried; what was found stands under Evidence.",
	"drill":   "The drill is planned and begins by itself; it is shown below.",
	"leak":    "The leak is an incident, and what can be rotated is being rotated. This page follows it.",
}

func doneWords(r *http.Request) *said {
	if words, ok := done[r.URL.Query().Get("done")]; ok {
		return &said{Words: words}
	}
	return nil
}

// asked is what a form asks for.
type asked struct {
	credential    rotator.CredentialID
	reason, actor string
	// keyID is the key that a drill is to replace.
	keyID       string
	compromised bool
	until, now  time.Time
}

// deed is something that a person can do to a credential.
type deed struct {
	kind rotator.AuditKind
	// timed deeds need an end.
	timed bool
	do    func(context.Context, *Server, asked) error
}

// deeds are the actions that forms are sent to, by the last part of the path. What needs an answer of its own has a route.
var deeds = map[string]deed{
	"rotate": {kind: rotator.AuditPlan, do: func(ctx context.Context, s *Server, a asked) error {
		reason := rotator.ReasonManual
		if a.compromised {
			reason = rotator.ReasonCompromised
		}
		_, err := s.o.Operator.Rotate(ctx, a.credential, reason, a.actor)
		return err
	}},
	"drill": {kind: rotator.AuditPlan, do: func(ctx context.Context, s *Server, a asked) error {
		if s.o.Prover == nil {
			return problem(http.StatusNotFound, "This daemon makes no drills.")
		}
		_, err := s.o.Prover.Drill(ctx, a.credential, a.keyID, a.actor)
		return err
	}},
	"hold": {kind: rotator.AuditHold, timed: true, do: func(ctx context.Context, s *Server, a asked) error {
		return s.o.Operator.Hold(ctx, a.hold())
	}},
	"release": {kind: rotator.AuditRelease, do: func(ctx context.Context, s *Server, a asked) error {
		return s.o.Operator.Release(ctx, a.credential, a.actor)
	}},
	"undo": {kind: rotator.AuditUndo, timed: true, do: func(ctx context.Context, s *Server, a asked) error {
		_, err := s.o.Operator.Undo(ctx, a.hold())
		return err
	}},
}

func (a asked) hold() rotator.Hold {
	return rotator.Hold{CredentialID: a.credential, By: a.actor, Until: a.until, Reason: a.reason, At: a.now}
}

// readForm reads what every form has; trouble says what is wrong with it.
func readForm(r *http.Request) (a asked, trouble string) {
	if err := r.ParseForm(); err != nil {
		return a, "The form cannot be read."
	}
	a = asked{now: time.Now().UTC(), reason: oneLine(r.PostForm.Get("reason")), actor: callerOf(r.Context()).actor(bound(r.PostForm.Get("actor"), 100)),
		keyID: r.PostForm.Get("key_id"), compromised: r.PostForm.Get("kind") == "compromised"}
	if a.reason == "" {
		return a, "Say why, in a few words: whoever reads the audit record later wants to know."
	}
	a.reason = bound(a.reason, 500)
	return a, ""
}

// bound cuts a text after n characters.
func bound(text string, n int) string {
	if runes := []rune(text); len(runes) > n {
		return string(runes[:n])
	}
	return text
}

// actOnCredential does what a form of the credential's page asks for and sends the browser back to the page, so that
// loading it again does nothing twice.
func (s *Server) actOnCredential(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("action")
	what, known := deeds[name]
	if !known {
		s.notFound(w, r, "There is no action "+name+".")
		return
	}
	a, trouble := readForm(r)
	a.credential = credentialIn(r)
	if what.timed && trouble == "" {
		var ok bool
		if a.until, ok = until(r.PostForm.Get("for"), a.now); !ok {
			trouble = "Say for how long, at most 30 days."
		}
	}
	if trouble != "" {
		s.showCredential(w, r, http.StatusUnprocessableEntity, &said{Words: trouble, Bad: true})
		return
	}
	s.because(r.Context(), what.kind, a)
	if name == "rotate" && a.compromised && s.o.Incidents != nil {
		s.leakOnPage(w, r, a)
		return
	}
	if err := s.refused(r.Context(), what.kind, a.credential, a.actor, what.do(r.Context(), s, a)); err != nil {
		s.showRefusal(w, r, err)
		return
	}
	http.Redirect(w, r, credentialLink(nameOf(a.credential))+"?done="+name, http.StatusSeeOther)
}

// showRefusal answers with the page of the credential that the path names, and why what was asked for was not done.
func (s *Server) showRefusal(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	s.showCredential(w, r, p.Status, &said{Words: p.Detail, Bad: true})
}

// leakOnPage does what the API does for a leak, and leads to the incident: also where nothing could be rotated, because the
// incident then says so, and stays.
func (s *Server) leakOnPage(w http.ResponseWriter, r *http.Request, a asked) {
	c := a.credential
	ask := RotateRequest{Selection: literally(c), Reason: string(rotator.ReasonCompromised), Note: a.reason}
	out, err := s.rotateLeaked(r.Context(), &ask, []rotator.TrackedKey{{Provider: c.Provider, Base: c.Base, Key: rotator.Key{UserID: c.UserID}}}, a.actor)
	if out.Incident == "" {
		s.showRefusal(w, r, err)
		return
	}
	http.Redirect(w, r, incidentLink(out.Incident)+"?done=leak", http.StatusSeeOther)
}

// because records what somebody gave as the reason, before it is done: the record of the deed itself has no room for it.
func (s *Server) because(ctx context.Context, kind rotator.AuditKind, a asked) {
	e := rotator.AuditEvent{Kind: kind, Outcome: rotator.AuditBegun, Actor: a.actor, Until: a.until, Note: "asked for on the page, because: " + a.reason}
	s.record(ctx, e.About(a.credential))
}

func (s *Server) approveOnPage(w http.ResponseWriter, r *http.Request) {
	a, trouble := readForm(r)
	a.credential.Provider = r.PathValue("provider")
	within, err := time.ParseDuration(r.PostForm.Get("for"))
	if trouble == "" && (err != nil || within <= 0 || within > longestApproval) {
		trouble = "Say within what time they may start, at most 24 hours."
	}
	if trouble != "" {
		s.showProvider(w, r, http.StatusUnprocessableEntity, &said{Words: trouble, Bad: true})
		return
	}
	a.until = a.now.Add(within)
	s.because(r.Context(), rotator.AuditApprove, a)
	_, err = s.o.Operator.Approve(r.Context(), a.credential.Provider, a.actor, within)
	if err = s.refused(r.Context(), rotator.AuditApprove, a.credential, a.actor, err); err != nil {
		p := problemOf(err)
		s.showProvider(w, r, p.Status, &said{Words: p.Detail, Bad: true})
		return
	}
	http.Redirect(w, r, pathOf("providers", a.credential.Provider)+"?done=approve", http.StatusSeeOther)
}
