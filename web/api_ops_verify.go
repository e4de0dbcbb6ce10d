package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/rotatord/rotatord/rotator"
)

var verifyLineType = reflect.TypeFor[VerifyLine]()

// VerifyRequest says which credentials to look at; what is absent stands for all.
type VerifyRequest struct {
	Provider   string `json:"provider,omitempty" maxLength:"200" example:"certcentral" doc:"A pattern for the provider's name."`
	User       string `json:"user,omitempty" maxLength:"200" example:"ci-*" doc:"A pattern for the service user's id, name or e-mail."`
	Credential string `json:"credential,omitempty" maxLength:"200" doc:"A pattern for the base name of the credential's keys."`
	Policy     string `json:"policy,omitempty" maxLength:"200" doc:"The name of the policy that selects the credential."`
	Actor      string `json:"actor,omitempty" maxLength:"100" doc:"Who asks, where nobody is authenticated."`
}

// Verification is what a look at one credential found.
type Verification struct {
	CredentialName
	ServiceUser string         `json:"service_user,omitempty"`
	Policy      string         `json:"policy"`
	Key         KeyName        `json:"key" doc:"The key that the sinks have to hold."`
	At          time.Time      `json:"at"`
	Outcome     string         `json:"outcome" enum:"ok,moving,undelivered,differs,refused,unreachable" doc:"ok: every sink holds the key, and it signs in. moving: the next key is being delivered, and nothing is wrong. undelivered: rotatord did not make the key, so there is nothing to compare. differs: a sink does not hold the key. refused: the provider refuses the key. unreachable: a sink or the provider did not answer."`
	NeedsPerson bool           `json:"needs_person"`
	Rotation    string         `json:"rotation,omitempty" doc:"The rotation that delivered the key."`
	Fingerprint string         `json:"fingerprint,omitempty" doc:"What the sinks have to hold."`
	Sinks       []VerifiedSink `json:"sinks" nullable:"false"`
	SignsIn     bool           `json:"signs_in" doc:"Whether the provider took what was read back."`
	Why         string         `json:"why,omitempty" doc:"What is wrong."`
	Do          string         `json:"do,omitempty" doc:"What to do about it."`
}

// VerifiedSink is what one sink holds.
type VerifiedSink struct {
	Sink        string `json:"sink"`
	Location    string `json:"location"`
	Matches     bool   `json:"matches" doc:"Whether the secret that a consumer reads there is the key's."`
	Fingerprint string `json:"fingerprint,omitempty" doc:"That of what is there; absent for nothing."`
	Trouble     string `json:"trouble,omitempty"`
}

// VerifyLine is one line of the answer: how many there are to look at, then a finding for each, then, last of all, the summary or
// the reason why there is none.
type VerifyLine struct {
	Total        *int           `json:"total,omitempty" doc:"How many credentials there are to look at: the first line."`
	Verification *Verification  `json:"verification,omitempty"`
	Summary      *VerifySummary `json:"summary,omitempty" doc:"The last line of a verification that is complete."`
	Error        string         `json:"error,omitempty" doc:"Why it is not complete: the last line then."`
}

// VerifySummary counts what a verification found.
type VerifySummary struct {
	BeganAt     time.Time      `json:"began_at"`
	EndedAt     time.Time      `json:"ended_at"`
	Credentials int            `json:"credentials"`
	Outcomes    map[string]int `json:"outcomes" doc:"Credentials by outcome."`
	NeedsPerson int            `json:"needs_person" doc:"How many somebody has to look at."`
}

func (s *Server) verifying(api huma.API) {
	op := operation(api, http.MethodPost, "/verifications", "verify", "Read every sink back and try every current key now",
		"Looks at each credential that matches: what every sink holds, against the fingerprint of what was delivered, and whether the provider takes "+
			"what was read. Nothing is changed. The answer is a JSON object on each line, as the findings come; one that ends without a summary is not "+
			"complete. It ends when the client goes. One runs at a time.", http.StatusOK)
	op.Responses["200"] = &huma.Response{Description: "One object on each line.", Content: map[string]*huma.MediaType{reportType: {
		Schema: api.OpenAPI().Components.Schemas.Schema(verifyLineType, true, "VerifyLine"),
	}}}
	huma.Register(api, op, s.verify)
}

func (s *Server) verify(ctx context.Context, in *request[VerifyRequest]) (*huma.StreamResponse, error) {
	if s.o.Prover == nil {
		return nil, problem(http.StatusNotFound, "this daemon verifies nothing")
	}
	ask := in.Body
	q := rotator.VerifyQuery{Provider: ask.Provider, User: ask.User, Base: ask.Credential, Policy: ask.Policy}
	by := callerOf(ctx).actor(ask.Actor)
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		ctx, cancel := context.WithCancel(hc.Context())
		defer cancel()
		go endWith(ctx, cancel)
		out := &verifyStream{w: w, conn: http.NewResponseController(w), sum: VerifySummary{BeganAt: time.Now().UTC(), Outcomes: map[string]int{}}}
		out.begun = func(n int) {
			s.record(ctx, rotator.AuditEvent{Kind: rotator.AuditVerify, Outcome: rotator.AuditBegun, Actor: by, Count: n, Note: "every sink is read back and every key tried: " + q.String()})
		}
		err := s.o.Prover.Verify(ctx, q, out)
		if err != nil && !out.open {
			refuse(w, r, problemOf(err).Status, problemOf(err).Detail)
			return
		}
		s.verified(ctx, by, out, err)
	}}, nil
}

// verified ends the answer and the record.
func (s *Server) verified(ctx context.Context, by string, out *verifyStream, err error) {
	out.sum.EndedAt = time.Now().UTC()
	e := rotator.AuditEvent{Kind: rotator.AuditVerify, Outcome: rotator.AuditDone, Actor: by, Count: out.sum.Credentials,
		Note: fmt.Sprintf("%d need a person", out.sum.NeedsPerson)}
	last := VerifyLine{Summary: &out.sum}
	if err != nil {
		last = VerifyLine{Error: err.Error()}
		e.Outcome, e.Note = rotator.AuditFailed, "it was not completed: "+err.Error()
	}
	s.record(ctx, e.Bounded())
	_ = out.write(last) // the client may be what ended it
}

// verifyStream is the answer to one client. It implements [rotator.VerifyProgress].
type verifyStream struct {
	w     http.ResponseWriter
	conn  *http.ResponseController
	begun func(n int)
	open  bool
	sum   VerifySummary
}

// Total implements [rotator.VerifyProgress].
func (v *verifyStream) Total(n int) error {
	v.begun(n)
	v.open = true
	v.w.Header().Set("Content-Type", reportType)
	v.w.Header().Set("X-Accel-Buffering", "no")
	_ = v.conn.SetReadDeadline(time.Time{}) // without deadlines there is none to lift
	return v.write(VerifyLine{Total: &n})
}

// Verified implements [rotator.VerifyProgress].
func (v *verifyStream) Verified(found rotator.Verification) error {
	v.sum.Credentials++
	v.sum.Outcomes[string(found.Outcome)]++
	if found.Outcome.NeedsPerson() {
		v.sum.NeedsPerson++
	}
	shown := verificationOf(&found)
	return v.write(VerifyLine{Verification: &shown})
}

// write sends a line at once: whoever waits wants to see that it goes on.
func (v *verifyStream) write(line VerifyLine) error {
	_ = v.conn.SetWriteDeadline(time.Now().Add(answerTime)) // as above
	if err := json.NewEncoder(v.w).Encode(line); err != nil {
		return err
	}
	return v.conn.Flush()
}

func verificationOf(v *rotator.Verification) Verification {
	out := Verification{CredentialName: nameOf(v.CredentialID), ServiceUser: v.ServiceUser, Policy: v.Policy, Key: KeyName(v.Key), At: v.At.UTC(),
		Outcome: string(v.Outcome), NeedsPerson: v.Outcome.NeedsPerson(), Rotation: v.Rotation, Fingerprint: v.Fingerprint, SignsIn: v.SignsIn,
		Why: v.Why, Do: v.Do, Sinks: make([]VerifiedSink, 0, len(v.Sinks))}
	for _, sink := range v.Sinks {
		out.Sinks = append(out.Sinks, VerifiedSink(sink))
	}
	return out
}

// endWith cancels ctx when the daemon stops.
func endWith(ctx context.Context, cancel context.CancelFunc) {
	stopping, _ := ctx.Value(keyStopping).(<-chan struct{})
	select {
	case <-stopping:
		cancel()
	case <-ctx.Done():
	}
}
