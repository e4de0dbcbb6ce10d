package web

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// cursorAt is a place in a list of credentials, as a client keeps it. It says nothing that the list does not.
func cursorAt(c rotator.CredentialID) string {
	place, _ := json.Marshal([3]string{c.Provider, c.UserID, c.Base}) //nolint:errchkjson // texts are always JSON
	return base64.RawURLEncoding.EncodeToString(place)
}

// placeOf reads what cursorAt wrote; empty is the beginning.
func placeOf(cursor string) (rotator.CredentialID, error) {
	if cursor == "" {
		return rotator.CredentialID{}, nil
	}
	var place []string
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(text, &place)
	}
	if err != nil || len(place) != 3 || strings.Contains(strings.Join(place, ""), "\x00") {
		return rotator.CredentialID{}, problem(http.StatusUnprocessableEntity, "the cursor is not one that this daemon gave out; begin again without it")
	}
	return rotator.CredentialID{Provider: place[0], UserID: place[1], Base: place[2]}, nil
}

// ownersMost bounds the pairs of provider and policy that a label may stand for.
const ownersMost = 400

// owners are the pairs of provider and policy that carry the label, written name=value. A policy that selects keys of no
// provider harms nothing.
func (s *Server) owners(label string) ([]rotator.Owned, error) {
	name, value, ok := strings.Cut(label, "=")
	if !ok || name == "" {
		return nil, problem(http.StatusUnprocessableEntity, "write label as name=value, as in team=pki")
	}
	found := []rotator.Owned{}
	if s.o.KeySettings == nil {
		return found, nil
	}
	policies := []string{""}
	if s.o.Policies != nil {
		policies = append(policies, s.o.Policies()...)
	}
	for _, provider := range s.o.Providers() {
		for _, policy := range policies {
			if got, has := s.o.KeySettings(provider, policy).Labels[name]; has && got == value {
				found = append(found, rotator.Owned{Provider: provider, Policy: policy})
			}
		}
	}
	if len(found) > ownersMost {
		return nil, problem(http.StatusUnprocessableEntity, "%s stands for more than %d pairs of provider and policy; use a label that says more, or filter by provider or policy", label, ownersMost)
	}
	return found, nil
}

// Band counts the keys of one bar of a histogram.
type Band struct {
	// Below is the band's end in days, which is not in it; absent for the last.
	Below     int `json:"below_days,omitempty" doc:"The end of the band in days, which is not part of it; absent for the last."`
	Managed   int `json:"managed"`
	Unmanaged int `json:"unmanaged"`
}

// Histograms show how old the fleet's active keys are and how long they live on.
type Histograms struct {
	Age     []Band `json:"age" nullable:"false" doc:"Active keys by the days since they were made."`
	Left    []Band `json:"left" nullable:"false" doc:"Active keys by the days until they expire."`
	Expired Band   `json:"expired" doc:"Keys whose expiry has passed and that the last scan still showed as active."`
	NoAge   Band   `json:"no_age" doc:"Keys whose provider does not say when they were made."`
	Forever Band   `json:"forever" doc:"Keys that never expire."`
}

// bandEnds are in days. Each is one of rotator.AgeBands.
func bandEnds() []int { return []int{1, 3, 7, 14, 30, 60, 90, 180, 365, 730} }

func bands() []Band {
	var out []Band
	for _, end := range bandEnds() {
		out = append(out, Band{Below: end})
	}
	return append(out, Band{})
}

// histogramsOf sorts the counts of one provider, or of all if it is empty, into bands.
func histogramsOf(counts []rotator.AgeCount, provider string) Histograms {
	h := Histograms{Age: bands(), Left: bands()}
	for i := range counts {
		c := &counts[i]
		if provider != "" && c.Provider != provider {
			continue
		}
		h.age(c).add(c.Managed, c.Aged)
		h.left(c).add(c.Managed, c.Left)
	}
	return h
}

func (h *Histograms) age(c *rotator.AgeCount) *Band {
	if c.Unknown {
		return &h.NoAge
	}
	return &h.Age[bandOf(c.Days)]
}

func (h *Histograms) left(c *rotator.AgeCount) *Band {
	switch {
	case c.Unknown:
		return &h.Forever
	case c.Days < 0:
		return &h.Expired
	default:
		return &h.Left[bandOf(c.Days)]
	}
}

func bandOf(days int) int {
	i, exact := slices.BinarySearch(bandEnds(), days)
	if exact {
		i++
	}
	return i
}

func (b *Band) add(managed bool, keys int) {
	if managed {
		b.Managed += keys
	} else {
		b.Unmanaged += keys
	}
}

// Hold is an operator's hold.
type Hold struct {
	CredentialName
	By     string    `json:"by"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since,omitzero"`
}

func holdOf(h *rotator.Hold) *Hold {
	if h == nil {
		return nil
	}
	return &Hold{CredentialName: nameOf(h.CredentialID), By: h.By, Until: h.Until, Reason: h.Reason, Since: h.At}
}

// fleetCredentialOf is a credential with what is known beside its key.
func fleetCredentialOf(c *rotator.FleetCredential) Credential {
	out := credentialOf(c.Key)
	out.ServiceUser, out.Email, out.Hold = c.UserName, c.UserEmail, holdOf(c.Hold)
	out.Rotation, out.Stage, out.Blocked = c.Open, string(c.Stage), string(c.Blocked)
	return out
}
