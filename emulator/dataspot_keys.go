package emulator

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// dsKeyEntry is what answers show of a key. The value is there once, in the answer to the call that made it.
type dsKeyEntry struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Created any    `json:"dateCreated"`
	Expires any    `json:"dateExpires"`
	Hint    string `json:"hint"`
	Value   string `json:"value,omitempty"`
}

// dsMade is a key that was made just now, with its value.
type dsMade struct {
	number int64
	value  string
}

func (s *Dataspot) keyEntry(k *dsKey) dsKeyEntry {
	return dsKeyEntry{ID: dsID(dsKeyID, k.number), Name: k.name, Created: s.date(k.created), Expires: s.date(k.expires), Hint: k.hint}
}

// keyEntries shows all keys of a user or, as the specification has it, none but those that were made just now.
func (s *Dataspot) keyEntries(u *dsUser, made []dsMade) (entries []dsKeyEntry) {
	values := map[int64]string{}
	for _, m := range made {
		values[m.number] = m.value
	}
	if s.options.ShowKeys {
		entries = []dsKeyEntry{} // that there are none is shown as well
	}
	now := s.options.Now()
	for _, k := range s.keysOf(u) {
		value, isNew := values[k.number]
		if !isNew && (!s.options.ShowKeys || !s.listed(k, now)) {
			continue
		}
		e := s.keyEntry(k)
		if !s.options.OmitValue {
			e.Value = value
		}
		entries = append(entries, e)
	}
	return entries
}

// dsKeyRequest is an entry of accessKeys: with the id of a key it is about that key, without one it asks for a key.
type dsKeyRequest struct {
	ID      string          `json:"id"`
	Name    string          `json:"name"`
	Expires json.RawMessage `json:"dateExpires"`
	Value   string          `json:"value"`
}

// dsPlan is what a write does to the keys of a user. Nothing of it is done before all of it is known to be right.
type dsPlan struct {
	change []dsKey // existing ones as they will be
	remove []*dsKey
	create []dsKey
	values []string // one for each of create; "" if the server is to make it
}

// planKeys reads accessKeys. Nil leaves the keys alone.
func (s *Dataspot) planKeys(entries *[]dsKeyRequest, u *dsUser) (dsPlan, *dsError) {
	if entries == nil {
		return dsPlan{}, nil
	}
	var plan dsPlan
	stay := map[int64]dsKey{} // the existing keys that will be there, as they will be
	for _, k := range s.keysOf(u) {
		if s.options.Replace {
			plan.remove = append(plan.remove, k)
		} else {
			stay[k.number] = *k
		}
	}
	for _, q := range *entries {
		if refusal := s.planKey(q, u, &plan, stay); refusal != nil {
			return dsPlan{}, refusal
		}
	}
	if refusal := s.checkNames(plan, stay); refusal != nil {
		return dsPlan{}, refusal
	}
	return plan, nil
}

func (s *Dataspot) planKey(q dsKeyRequest, u *dsUser, plan *dsPlan, stay map[int64]dsKey) *dsError {
	if q.ID != "" {
		return s.planChange(q, u, plan, stay)
	}
	if q.Name == "" {
		return dsViolation("accessKeys: name is required.")
	}
	expires, refusal := s.readExpiry(q.Expires)
	if refusal != nil {
		return refusal
	}
	value := ""
	if s.options.ValueFromClient {
		if refusal := s.checkValue(q.Value, plan.values); refusal != nil {
			return refusal
		}
		value = q.Value
	}
	plan.create = append(plan.create, dsKey{name: q.Name, expires: expires})
	plan.values = append(plan.values, value)
	return nil
}

// planChange keeps an existing key and gives it the name and the expiry of the entry, if it has them.
func (s *Dataspot) planChange(q dsKeyRequest, u *dsUser, plan *dsPlan, stay map[int64]dsKey) *dsError {
	k := s.anyKey(dsNumber(dsKeyID, q.ID))
	if k == nil || k.removed != 0 || k.user != u.number {
		return dsViolation("accessKeys: the user has no key with the id %q.", q.ID)
	}
	changed := *k
	if q.Name != "" {
		changed.name = q.Name
	}
	if len(q.Expires) > 0 {
		expires, refusal := s.readExpiry(q.Expires)
		if refusal != nil && string(q.Expires) != s.dateText(k.expires) {
			return refusal // the expiry that the key has already may be past
		}
		if refusal == nil {
			changed.expires = expires
		}
	}
	stay[k.number] = changed
	plan.change = append(plan.change, changed)
	return nil
}

func (s *Dataspot) dateText(nanos int64) string {
	text, err := json.Marshal(s.date(nanos))
	if err != nil {
		panic(err) // a string or a number
	}
	return string(text)
}

// checkNames holds that a key's name is unique per user.
func (s *Dataspot) checkNames(plan dsPlan, stay map[int64]dsKey) *dsError {
	seen := map[string]bool{}
	taken := func(name string) bool {
		was := seen[name]
		seen[name] = true
		return was
	}
	for _, k := range stay {
		if taken(k.name) {
			return s.nameTaken(k.name)
		}
	}
	for _, k := range plan.create {
		if taken(k.name) {
			return s.nameTaken(k.name)
		}
	}
	return nil
}

func (s *Dataspot) nameTaken(name string) *dsError {
	if s.options.NameTakenIsViolation {
		return dsViolation("accessKeys: the name %q is not unique.", name)
	}
	return &dsError{status: http.StatusConflict, message: fmt.Sprintf("The user has an access key named %q already.", name)}
}

// dsLastYear keeps times within what a number of nanoseconds can say.
const dsLastYear = 2200

// readExpiry reads dateExpires: a date-time string as specified or, if the options say so, milliseconds since 1970 as well.
func (s *Dataspot) readExpiry(raw json.RawMessage) (int64, *dsError) {
	if len(raw) == 0 || string(raw) == "null" {
		return 0, dsViolation("accessKeys: dateExpires is required.")
	}
	var at time.Time
	var millis int64
	if s.options.EpochDates && json.Unmarshal(raw, &millis) == nil {
		at = time.UnixMilli(millis)
	} else if json.Unmarshal(raw, &at) != nil {
		return 0, dsViolation("accessKeys: dateExpires must be a date-time.")
	}
	if !at.After(s.options.Now()) || at.Year() > dsLastYear {
		return 0, dsViolation("accessKeys: dateExpires must lie in the future, and not after %d.", dsLastYear)
	}
	return at.Truncate(time.Millisecond).UnixNano(), nil
}

// checkValue holds that a client's value looks like one of the server's, and that nobody has it, others of the request included.
func (s *Dataspot) checkValue(value string, others []string) *dsError {
	decoded, err := base64.URLEncoding.DecodeString(value)
	if err != nil || len(decoded) != dsSecretBytes {
		return dsViolation("accessKeys: value must be 64 characters of URL-safe Base64.")
	}
	if _, taken := s.secrets[sha256.Sum256([]byte(value))]; taken || slices.Contains(others, value) {
		return dsViolation("accessKeys: value is in use.")
	}
	return nil
}

// carryOut does what was planned and returns the keys that were made.
func (s *Dataspot) carryOut(plan dsPlan, u *dsUser) (made []dsMade) {
	changed := map[int64]bool{}
	for _, k := range plan.change {
		changed[k.number] = true
		*s.anyKey(k.number) = k
	}
	for _, k := range plan.remove {
		if !changed[k.number] {
			s.removeKey(k)
		}
	}
	for i, k := range plan.create {
		value := plan.values[i]
		if value == "" {
			value = dsSecret()
		}
		made = append(made, dsMade{s.mintFor(u.number, k, value).number, value})
	}
	return made
}

// mintFor makes a key now, to which propagation applies.
func (s *Dataspot) mintFor(user int64, k dsKey, value string) *dsKey {
	now := nanos(s.options.Now())
	k.user, k.created, k.minted = user, now, now
	return s.newKey(k, value)
}
