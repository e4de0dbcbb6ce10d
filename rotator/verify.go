package rotator

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// VerifyOutcome says what a look at a credential's sinks and its key found. The list is closed: it is a metric's label.
type VerifyOutcome string

// The outcomes of a look.
const (
	VerifiedOK          VerifyOutcome = "ok"          // every sink holds the key, and it signs in
	VerifiedMoving      VerifyOutcome = "moving"      // a rotation is delivering the next key, and nothing is wrong
	VerifiedUndelivered VerifyOutcome = "undelivered" // rotatord has not delivered this key yet, so there is nothing to compare
	VerifiedDiffers     VerifyOutcome = "differs"     // a sink does not hold the key
	VerifiedRefused     VerifyOutcome = "refused"     // the provider refuses the key that the sinks hold
	VerifiedUnreachable VerifyOutcome = "unreachable" // a sink or the provider did not answer
)

// VerifyOutcomes lists every outcome.
func VerifyOutcomes() []VerifyOutcome {
	return []VerifyOutcome{VerifiedOK, VerifiedMoving, VerifiedUndelivered, VerifiedDiffers, VerifiedRefused, VerifiedUnreachable}
}

// NeedsPerson reports whether somebody has to look.
func (o VerifyOutcome) NeedsPerson() bool {
	return slices.Contains([]VerifyOutcome{VerifiedDiffers, VerifiedRefused, VerifiedUnreachable}, o)
}

// Verification is what a look at one credential found.
type Verification struct {
	CredentialID
	ServiceUser string        `json:"service_user,omitempty"`
	Policy      string        `json:"policy"`
	Key         KeyRef        `json:"key"`
	At          time.Time     `json:"at"`
	Outcome     VerifyOutcome `json:"outcome"`
	// Rotation made the key; empty for one that rotatord did not make.
	Rotation string `json:"rotation,omitempty"`
	// Fingerprint is what the sinks have to hold; empty where nobody knows.
	Fingerprint string       `json:"fingerprint,omitempty"`
	Sinks       []VerifySink `json:"sinks,omitempty"`
	// SignsIn is true if the copy that was read back authenticated at the provider.
	SignsIn bool `json:"signs_in"`
	// Why says what is wrong, and Do what to do about it; empty if nothing is.
	Why string `json:"why,omitempty"`
	Do  string `json:"do,omitempty"`
}

// VerifySink is what one sink holds.
type VerifySink struct {
	Sink     string `json:"sink"`
	Location string `json:"location"`
	// Matches is true if the secret that a consumer reads there is the key's.
	Matches bool `json:"matches"`
	// Fingerprint is that of what is there; empty for nothing.
	Fingerprint string `json:"fingerprint,omitempty"`
	Trouble     string `json:"trouble,omitempty"`
}

// VerifyQuery selects credentials to look at. An empty pattern selects all.
type VerifyQuery struct {
	// Provider, User (id, name or e-mail) and Base are glob patterns; Policy is a name.
	Provider, User, Base, Policy string
	// One selects this credential alone, whatever else is asked for, and reads nothing of the rest of the fleet.
	One CredentialID
}

// Partial reports whether credentials of the providers that it names are left out.
func (q VerifyQuery) Partial() bool {
	return q.User != "" || q.Base != "" || q.Policy != "" || q.One != (CredentialID{})
}

// String reads provider/user/credential, and the policy if one is named.
func (q VerifyQuery) String() string {
	if q.One != (CredentialID{}) {
		return q.One.String()
	}
	s := cmp.Or(q.Provider, "*") + "/" + cmp.Or(q.User, "*") + "/" + cmp.Or(q.Base, "*")
	if q.Policy != "" {
		s += " of policy " + q.Policy
	}
	return s
}

// VerifyProgress tells of the looks at credentials as they come. Its methods are not called at the same time.
type VerifyProgress interface {
	// Total tells how many credentials there are to look at, before the first.
	Total(n int) error
	// Verified tells what a look found. An error ends the looking.
	Verified(v Verification) error
}

// VerifyCount is how many credentials of a provider have an outcome, by the last look at each.
type VerifyCount struct {
	Provider string
	Outcome  VerifyOutcome
	Count    int
	// Oldest and Latest are when the first and the last of them were looked at.
	Oldest, Latest time.Time
}

// VerifyFinding is an outcome that needs a person, of some credentials of a provider.
type VerifyFinding struct {
	Outcome VerifyOutcome
	Count   int
	// First is what was found of the credential that has had no look the longest.
	First Verification
}

// Verifications is what is durable about looks at credentials: the last of each.
type Verifications interface {
	// SaveVerifications stores them, each in place of the one before.
	SaveVerifications(ctx context.Context, vs []Verification) error
	// ForgetVerifications removes those of the provider from before the time given: their credentials are gone.
	ForgetVerifications(ctx context.Context, provider string, before time.Time) error
	// VerificationOf returns the credential's, or nil.
	VerificationOf(ctx context.Context, c CredentialID) (*Verification, error)
	// CountVerifications counts them by provider and outcome.
	CountVerifications(ctx context.Context) ([]VerifyCount, error)
	// VerifyFindings returns what needs a person at the provider, by the last look at each of its credentials, from an index.
	VerifyFindings(ctx context.Context, provider string) ([]VerifyFinding, error)
}
