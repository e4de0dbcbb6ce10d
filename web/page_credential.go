package web

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

const (
	// pastShown is how many rotations a credential's page tells the history of.
	pastShown = 8
	// pastSearched is how many it looks for the last drill in.
	pastSearched = 20
)

// credentialData is what the page of a credential is made of.
type credentialData struct {
	frame
	ID       CredentialName
	UserName string
	// Self is the path of the page.
	Self   string
	Keys   []Credential
	Newest *Credential
	Hold   *rotator.Hold
	// Open is the rotation under way, Shown that one or else the latest that is known; nil for none.
	Open, Shown *Rotation
	// Past are rotations with their histories, the latest first.
	Past []RotationHistory
	// Proofs are what has to be true before the old key of the open rotation goes.
	Proofs   []proof
	Timeline *timeline
	// Told are the consumers that are told of the shown rotation's key.
	Told []HookRun
	// Verified is what the last look found, Drilled the last drill; nil for none.
	Verified *Verification
	Drilled  *Rotation
	// Drill is the form for one; nil where none can be asked for.
	Drill *drillForm
	// Leaks are the incidents that it is part of, the latest first.
	Leaks                   []IncidentBrief
	CanUndo, AwaitsApproval bool
}

func credentialIn(r *http.Request) rotator.CredentialID {
	return rotator.CredentialID{Provider: r.PathValue("provider"), UserID: r.PathValue("user"), Base: r.PathValue("base")}
}

func (s *Server) credentialPage(w http.ResponseWriter, r *http.Request) {
	s.showCredential(w, r, http.StatusOK, doneWords(r))
}

// showCredential answers with the page of the credential that the path names, and what came of an action.
func (s *Server) showCredential(w http.ResponseWriter, r *http.Request, status int, what *said) {
	c := credentialIn(r)
	d := credentialData{frame: s.frame(r, c.String()), ID: nameOf(c), Self: credentialLink(nameOf(c))}
	d.Said = what
	if err := s.gatherCredential(r.Context(), c, &d); err != nil {
		s.showTrouble(w, d.frame, err)
		return
	}
	if len(d.Keys) == 0 && d.Shown == nil && d.Hold == nil {
		s.notFound(w, r, "No scan has seen a credential "+c.String()+", and there is no rotation of it. The fleet page lists those that there are.")
		return
	}
	s.show(w, credentialPage, status, d)
}

func (s *Server) gatherCredential(ctx context.Context, c rotator.CredentialID, d *credentialData) error {
	series, err := s.o.Journal.Series(ctx, c)
	if err != nil {
		return err
	}
	for _, k := range series {
		d.Keys = append(d.Keys, credentialOf(k))
	}
	if d.Hold, err = s.o.Journal.HoldOn(ctx, c, d.Now); err != nil {
		return err
	}
	rotations, err := s.o.Journal.RotationsOf(ctx, c, pastSearched)
	if err != nil {
		return err
	}
	shown := rotations[:min(len(rotations), pastShown)]
	if err := s.histories(ctx, shown, d); err != nil {
		return err
	}
	if err := s.gatherProving(ctx, c, rotations, d); err != nil {
		return err
	}
	if d.Leaks, err = s.leaksOf(ctx, c); err != nil {
		return err
	}
	if len(rotations) > 0 {
		d.UserName = rotations[0].ServiceUser
	}
	if len(d.Keys) > 0 {
		d.Newest = &d.Keys[0]
		d.Newest.ObserveOnly = s.observes(c.Provider, d.Newest.Policy)
		d.AwaitsApproval = slices.ContainsFunc(d.Keys, func(k Credential) bool { return k.Waiting == string(rotator.BlockAwaitingApproval) })
	}
	for i := range shown {
		if !shown[i].Stage.Final() {
			d.Proofs = proofsOf(&shown[i], series, d.Hold, d.Now)
		}
	}
	d.Timeline = timelineOf(series, shown, d.Now)
	return nil
}

// Role says which side of the shown rotation a key is on; empty for neither.
func (d credentialData) Role(k Credential) string {
	switch {
	case d.Shown == nil || k.Key.ID == "":
		return ""
	case k.Key.ID == d.Shown.NewKey.ID:
		return "new"
	case k.Key.ID == d.Shown.OldKey.ID:
		return "old"
	default:
		return ""
	}
}

func (s *Server) histories(ctx context.Context, rotations []rotator.Rotation, d *credentialData) error {
	for i := range rotations {
		shown := rotationOf(&rotations[i])
		if i == 0 {
			d.Shown = &shown
		}
		if !rotations[i].Stage.Final() {
			d.Open, d.Shown = &shown, &shown
			d.CanUndo = rotations[i].Stage == rotator.StageSoaking
		}
		past, err := s.historyOf(ctx, &rotations[i])
		if err != nil {
			return err
		}
		if past.ID == d.Shown.ID {
			d.Told = past.Hooks
		}
		d.Past = append(d.Past, past)
	}
	return nil
}

type providerData struct {
	frame
	Provider ProviderStatus
}

func (s *Server) providerPage(w http.ResponseWriter, r *http.Request) {
	s.showProvider(w, r, http.StatusOK, doneWords(r))
}

func (s *Server) showProvider(w http.ResponseWriter, r *http.Request, status int, what *said) {
	name := r.PathValue("provider")
	if !slices.Contains(s.o.Providers(), name) {
		s.notFound(w, r, "No provider "+name+" is configured.")
		return
	}
	f := s.frame(r, "Provider "+name)
	f.Said = what
	state, err := s.o.Journal.ProviderState(r.Context(), name)
	if err != nil {
		s.showTrouble(w, f, err)
		return
	}
	s.show(w, providerPage, status, providerData{f, providerOf(name, state, f.Now)})
}

// until reads a length of time that a form offers, counted from now; at most 30 days.
func until(text string, now time.Time) (time.Time, bool) {
	d, err := time.ParseDuration(text)
	return now.Add(d), err == nil && d > 0 && d <= 30*24*time.Hour
}
