package web

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/rotatord/rotatord/rotator"
)

const (
	fleetShows = 50
	// What a state may be beside the journal's states of keys: conditions that a key of any state can be in.
	stateBlocked, stateHeld = "blocked", "held"
)

// keyStates are the states that the journal counts keys by.
func keyStates() []string { return []string{"managed", "unmanaged", "waiting", "missing", "inactive"} }

type fleetData struct {
	frame
	Q, ProviderName, Policy, Owner, State string
	ProviderNames, States                 []string
	PolicyNames, OwnerNames               []string
	Rows                                  []fleetRow
	Paged                                 bool
	First, Next, CSV                      string
	Sums                                  *sums
	Ages, Left                            bars
}

// fleetRow is a credential by its current key.
type fleetRow struct {
	Credential
	UserName, Stage string
	Held            bool
	// Stopped is why it does not go on.
	Stopped string
}

// fleetAsked reads what somebody looks for.
func fleetAsked(r *http.Request) fleetData {
	q := r.URL.Query()
	return fleetData{Q: q.Get("q"), ProviderName: q.Get("provider"), Policy: q.Get("policy"), Owner: q.Get("owner"), State: q.Get("state"),
		States: append(keyStates(), stateBlocked, stateHeld)}
}

// fleetSearch is what the journal is asked.
func (s *Server) fleetSearch(d *fleetData) rotator.FleetQuery {
	q := rotator.FleetQuery{Provider: d.ProviderName, Policy: d.Policy, Search: strings.TrimSpace(strings.ReplaceAll(d.Q, "\x00", "")), Limit: fleetShows,
		Blocked: d.State == stateBlocked, Held: d.State == stateHeld}
	if slices.Contains(keyStates(), d.State) {
		q.State = d.State
	}
	if d.Owner != "" {
		q.Owners = s.owned(d.Owner)
	}
	return q
}

// owned lists the policies at providers whose labels mention the owner; none selects nothing.
func (s *Server) owned(owner string) []rotator.Owned {
	out, policies := []rotator.Owned{}, []string{""}
	if s.o.KeySettings == nil {
		return out
	}
	if s.o.Policies != nil {
		policies = append(policies, s.o.Policies()...)
	}
	for _, provider := range s.o.Providers() {
		for _, policy := range policies {
			if mentions(owner, slices.Collect(maps.Values(s.o.KeySettings(provider, policy).Labels))) {
				out = append(out, rotator.Owned{Provider: provider, Policy: policy})
			}
		}
	}
	return out[:min(len(out), ownersMost)]
}

// ownersOffered bounds the owners that the page offers to choose from.
const ownersOffered = 200

// choices are the policies and the label values that somebody can look for. A policy that was asked for is among them even if it
// is not configured any more, because keys may still be filed under it.
func (s *Server) choices(asked string) (policies, owners []string) {
	if s.o.Policies != nil {
		policies = slices.Clone(s.o.Policies())
	}
	values := map[string]bool{}
	if s.o.KeySettings != nil {
		for _, provider := range s.o.Providers() {
			for _, policy := range append([]string{""}, policies...) {
				for _, v := range s.o.KeySettings(provider, policy).Labels {
					values[v] = true
				}
			}
		}
	}
	if asked != "" && !slices.Contains(policies, asked) {
		policies = append(policies, asked)
	}
	slices.Sort(policies)
	owners = slices.Sorted(maps.Keys(values))
	return policies, owners[:min(len(owners), ownersOffered)]
}

// mentions reports whether any of the texts holds what is looked for, whatever the case.
func mentions(sought string, texts []string) bool {
	sought = strings.ToLower(strings.TrimSpace(sought))
	return slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(strings.ToLower(t), sought) })
}

func (s *Server) fleetPage(w http.ResponseWriter, r *http.Request) {
	d := fleetAsked(r)
	d.frame = s.frame(r, "Fleet")
	d.ProviderNames = slices.Sorted(slices.Values(s.o.Providers()))
	d.PolicyNames, d.OwnerNames = s.choices(d.Policy)
	if err := s.gatherFleet(r.Context(), r.URL.Query(), &d); err != nil {
		s.showTrouble(w, d.frame, err)
		return
	}
	d.First, d.CSV = "/fleet?"+d.link().Encode(), pathFleetCSV+"?"+d.link().Encode()
	if d.Sums = s.counted(r.Context(), d.Now); d.Sums != nil {
		d.Ages, d.Left = d.Sums.ages(), d.Sums.lefts()
	}
	s.show(w, fleetPage, http.StatusOK, d)
}

// link is what the page was asked for, without its place.
func (d *fleetData) link() url.Values {
	return given(map[string]string{"q": d.Q, "provider": d.ProviderName, "policy": d.Policy, "owner": d.Owner, "state": d.State})
}

// given leaves out what nobody asked for.
func given(all map[string]string) url.Values {
	v := url.Values{}
	for name, value := range all {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v
}

// gatherFleet reads one page of credentials.
func (s *Server) gatherFleet(ctx context.Context, place url.Values, d *fleetData) error {
	q := s.fleetSearch(d)
	q.After = rotator.CredentialID{Provider: place.Get("after_provider"), UserID: place.Get("after_user"), Base: place.Get("after")}
	d.Paged = q.After != rotator.CredentialID{}
	page, err := s.o.Journal.FleetCredentials(ctx, q, d.Now)
	if err != nil {
		return err
	}
	for _, c := range page.Credentials {
		d.Rows = append(d.Rows, rowOf(c))
	}
	if page.More {
		last, next := d.Rows[len(d.Rows)-1].CredentialName, d.link()
		next.Set("after_provider", last.Provider)
		next.Set("after_user", last.UserID)
		next.Set("after", last.Credential)
		d.Next = "/fleet?" + next.Encode()
	}
	return nil
}

func rowOf(c rotator.FleetCredential) fleetRow {
	row := fleetRow{Credential: credentialOf(c.Key), UserName: c.UserName, Stage: string(c.Stage), Held: c.Hold != nil, Stopped: string(c.Key.Waiting)}
	if c.Blocked != "" {
		row.Stopped = string(c.Blocked)
	}
	return row
}

// Words says what state the credential is in.
func (r *fleetRow) Words() string {
	words := r.State
	switch {
	case !r.MissingSince.IsZero():
		words = "not listed any more"
	case r.Stage != "":
		words = r.Stage
	case r.Policy == "":
		words += ", unmanaged"
	}
	if r.Held {
		words += ", held"
	}
	return words
}
