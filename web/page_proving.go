package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// verifyPatience is how long a page waits for a look at one credential. It ends before the answer would have to.
const verifyPatience = 90 * time.Second

// verifyOnPage has every sink of the credential read back and its key tried, as the API does, and waits for what is found, which
// the page then shows from the journal. It changes nothing, so it asks for no reason.
func (s *Server) verifyOnPage(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.showCredential(w, r, http.StatusUnprocessableEntity, &said{Words: "The form cannot be read.", Bad: true})
		return
	}
	c := credentialIn(r)
	by := callerOf(r.Context()).actor(bound(r.PostForm.Get("actor"), 100))
	if err := s.verifyOne(r.Context(), c, by); err != nil {
		s.showRefusal(w, r, err)
		return
	}
	http.Redirect(w, r, credentialLink(nameOf(c))+"?done=verify", http.StatusSeeOther)
}

// verifyOne looks at one credential and records who asked and how it ended.
func (s *Server) verifyOne(ctx context.Context, c rotator.CredentialID, by string) error {
	if s.o.Prover == nil {
		return problem(http.StatusNotFound, "This daemon verifies nothing.")
	}
	ctx, cancel := context.WithTimeout(ctx, verifyPatience)
	defer cancel()
	go endWith(ctx, cancel)
	found := &look{begun: func() {
		e := rotator.AuditEvent{Kind: rotator.AuditVerify, Outcome: rotator.AuditBegun, Actor: by, Count: 1, Note: "asked for on the page: every sink is read back and the key tried"}
		s.record(ctx, e.About(c))
	}}
	err := s.o.Prover.Verify(ctx, rotator.VerifyQuery{One: c}, found)
	switch {
	case !found.open && err != nil:
		return s.refused(ctx, rotator.AuditVerify, c, by, err)
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = problem(http.StatusGatewayTimeout, "A sink or the provider did not answer within %s. Nothing was changed; see under Now whether one is down, and look again.", verifyPatience)
	case err == nil && found.last == nil:
		err = problem(http.StatusConflict, "There is nothing to look at: no policy selects the credential, or it has no key that works.")
	}
	e := rotator.AuditEvent{Kind: rotator.AuditVerify, Outcome: rotator.AuditDone, Actor: by, Count: 1}
	if err != nil {
		e.Outcome, e.Note = rotator.AuditFailed, "it was not completed: "+err.Error()
	} else {
		e.Note = string(found.last.Outcome)
	}
	s.record(ctx, e.About(c).Bounded())
	return err
}

// look is what a verification of one credential finds. It implements [rotator.VerifyProgress].
type look struct {
	begun func()
	open  bool
	last  *rotator.Verification
}

// Total implements [rotator.VerifyProgress].
func (l *look) Total(int) error {
	l.open = true
	l.begun()
	return nil
}

// Verified implements [rotator.VerifyProgress].
func (l *look) Verified(v rotator.Verification) error {
	l.last = &v
	return nil
}

// outcomeWords says what a look at a credential found.
var outcomeWords = map[rotator.VerifyOutcome]string{
	rotator.VerifiedOK:          "every sink holds the key, and it signs in",
	rotator.VerifiedMoving:      "the next key is being delivered, and nothing is wrong",
	rotator.VerifiedUndelivered: "rotatord did not make this key, so it does not know what the sinks should hold",
	rotator.VerifiedDiffers:     "a sink does not hold the key",
	rotator.VerifiedRefused:     "the provider refuses the key that the sinks hold",
	rotator.VerifiedUnreachable: "a sink or the provider did not answer",
}

// Words says what was found.
func (v Verification) Words() string { return outcomeWords[rotator.VerifyOutcome(v.Outcome)] }

// drillForm is what the form for a drill says: what it would do, or why that cannot be told.
type drillForm struct {
	Drill
	Trouble string
}

// gatherProving adds what proves that rotating works: the last look, the last drill, and what another drill would do.
func (s *Server) gatherProving(ctx context.Context, c rotator.CredentialID, rotations []rotator.Rotation, d *credentialData) error {
	found, err := s.o.Journal.VerificationOf(ctx, c)
	if err != nil {
		return err
	}
	if found != nil {
		v := verificationOf(found)
		d.Verified = &v
	}
	for i := range rotations {
		if rotations[i].Reason == rotator.ReasonDrill {
			r := rotationOf(&rotations[i])
			d.Drilled = &r
			break
		}
	}
	if s.o.Prover == nil || d.WhyNot != "" {
		return nil
	}
	d.Drill = s.drillForm(ctx, c)
	return nil
}

// drillForm says what a drill of the credential would do, or why that cannot be said.
func (s *Server) drillForm(ctx context.Context, c rotator.CredentialID) *drillForm {
	plan, err := s.o.Prover.ExplainDrill(ctx, c)
	if err != nil {
		return &drillForm{Trouble: err.Error()}
	}
	return &drillForm{Drill: drillOf(&plan)}
}

// length is a duration of the API for people.
func length(text string) string {
	d, err := time.ParseDuration(text)
	if err != nil {
		return text
	}
	return span(d)
}
