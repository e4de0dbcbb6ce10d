package web

import (
	"context"

	"github.com/rotatord/rotatord/rotator"
)

// reasonVerified stands before an outcome of a verification that needs a person.
const reasonVerified = "verified_"

// gatherVerified tells of what the last verification of each credential found that needs a person: once for each provider and
// outcome, with the credential that has had no look the longest.
func (s *Server) gatherVerified(ctx context.Context, st *Status) error {
	for i := range st.Providers {
		found, err := s.o.Journal.VerifyFindings(ctx, st.Providers[i].Name)
		if err != nil {
			return err
		}
		for _, f := range found {
			st.Attention = append(st.Attention, findingItem(&f))
		}
	}
	return nil
}

func findingItem(f *rotator.VerifyFinding) Item {
	name, reason := nameOf(f.First.CredentialID), reasonVerified+string(f.Outcome)
	why := f.First.CredentialID.String() + ": " + f.First.Why
	if f.Count > 1 {
		why = plural(f.Count, "credential", "credentials") + ", first " + why
	}
	return Item{About: "verification", What: f.First.Provider, credential: name, Reason: reason, Why: why, Do: adviceOn(reason, name), Since: f.First.At}
}
