package emulator

import (
	"net/http"
	"slices"
	"strconv"
)

var ccAPIRoles = []ccNamed{
	{ccRestrictOrders, "Orders"},
	{ccRestrictOrganizations, "Orders, Domains, Organizations"},
	{ccRestrictReadOnly, "View Only"},
	{ccRestrictUsers, "Users"},
}

func knownRestriction(id int64) bool {
	return id == 0 || slices.ContainsFunc(ccAPIRoles, func(r ccNamed) bool { return r.ID == id })
}

type ccKeyOwner struct {
	ID        int64  `json:"id"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
}

// ccKeyEntry is what lists and look-ups say of a key: never its value.
type ccKeyEntry struct {
	ID         int64      `json:"id"`
	User       ccKeyOwner `json:"user"`
	Status     string     `json:"status"`
	CreateDate string     `json:"create_date"`
	LastUsed   string     `json:"last_used_date,omitempty"`
	Name       string     `json:"name"`
	IsLegacy   bool       `json:"is_legacy"`
	Restricted int64      `json:"restricted_to_role_id"`
	ACME       string     `json:"acme_directory_url,omitempty"`
}

var ccKeyColumns = []string{"id", "user_id", "first_name", "last_name", "status", "create_date", "last_used_date", "name", "is_legacy", "restricted_to_role_id"}

func (e ccKeyEntry) row() []string {
	return []string{strconv.FormatInt(e.ID, 10), strconv.FormatInt(e.User.ID, 10), e.User.FirstName, e.User.LastName, e.Status, e.CreateDate, e.LastUsed,
		e.Name, strconv.FormatBool(e.IsLegacy), strconv.FormatInt(e.Restricted, 10)}
}

func (s *CertCentral) keyEntry(k *ccKey) ccKeyEntry {
	p := s.profileOf(s.user(k.user))
	e := ccKeyEntry{
		ID: k.id, User: ccKeyOwner{k.user, p.first, p.last}, Status: k.status, CreateDate: s.date(k.created),
		LastUsed: s.date(s.shownLastUsed(k, s.options.Now())), Name: k.name, IsLegacy: k.legacy, Restricted: k.restricted,
	}
	if k.acme {
		e.ACME = "https://acme.example.com/v2/acme/directory/**********"
	}
	return e
}

// keysAtOnce is how many keys are read from the account before the lock is given back: a list is not a snapshot here
// either.
const keysAtOnce = 512

func (s *CertCentral) listKeys(c ccCaller, w http.ResponseWriter, r *http.Request) *ccError {
	userID, refusal := queryInt(r, "user_id", 0)
	if refusal != nil {
		return refusal
	}
	if !c.admin {
		userID = c.userID
	}
	lie := viewOf(r)
	list := startList(w, r, "api_keys", ccKeyColumns)
	if userID != 0 {
		for _, e := range s.keysOf(userID, lie) {
			list.add(e)
		}
		return list.end(nil)
	}
	for from := 0; ; from += keysAtOnce {
		entries, more := s.someKeys(from, lie)
		for _, e := range entries {
			list.add(e)
		}
		if !more {
			return list.end(nil)
		}
	}
}

func (s *CertCentral) keysOf(userID int64, lie view) (entries []ccKeyEntry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.user(userID); u != nil {
		for _, id := range u.keys {
			entries = s.show(entries, s.key(id), lie)
		}
	}
	return entries
}

func (s *CertCentral) someKeys(from int, lie view) (entries []ccKeyEntry, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	to := min(from+keysAtOnce, len(s.keys))
	for i := from; i < to; i++ {
		if k := s.key(s.keys[i].id); k != nil {
			entries = s.show(entries, k, lie)
		}
	}
	return entries, to < len(s.keys)
}

func (s *CertCentral) show(entries []ccKeyEntry, k *ccKey, lie view) []ccKeyEntry {
	if !s.listed(k, s.options.Now()) {
		return entries
	}
	for range lie.times(strconv.FormatInt(k.id, 10), k.name) {
		entries = append(entries, s.keyEntry(k))
	}
	return entries
}

// visible finds the key of a path for a caller: those who are no administrators see only their own.
func (s *CertCentral) visible(c ccCaller, r *http.Request) *ccKey {
	k := s.key(pathID(r))
	if k == nil || !s.listed(k, s.options.Now()) || (!c.admin && k.user != c.userID) {
		return nil
	}
	return k
}

func (s *CertCentral) keyInfo(c ccCaller, w http.ResponseWriter, r *http.Request) *ccError {
	s.mu.Lock()
	k := s.visible(c, r)
	if k == nil {
		s.mu.Unlock()
		return ccNotFound
	}
	e := s.keyEntry(k)
	s.mu.Unlock()
	return writeJSON(w, http.StatusOK, e)
}

type ccKeyRequest struct {
	Name       string `json:"name"`
	Restricted *int64 `json:"restricted_to_role_id"`
}

func (q ccKeyRequest) check() *ccError {
	if q.Name == "" {
		return ccBadRequest("name is required.")
	}
	if q.Restricted != nil && !knownRestriction(*q.Restricted) {
		return ccBadRequest("restricted_to_role_id is not an API access role.")
	}
	return nil
}

// ccCreated is the one answer that shows a key.
type ccCreated struct {
	ID     int64  `json:"id"`
	APIKey string `json:"api_key"`
}

// mint makes an active key now, to which propagation applies.
func (s *CertCentral) mint(k ccKey, secret string) *ccKey {
	now := s.options.Now().UnixNano()
	k.status, k.created, k.minted = ccActive, now, now
	return s.newKey(k, secret)
}

func (s *CertCentral) createKey(_ ccCaller, w http.ResponseWriter, r *http.Request) *ccError {
	var q ccKeyRequest
	if refusal := readJSON(r, &q); refusal != nil {
		return refusal
	}
	if refusal := q.check(); refusal != nil {
		return refusal
	}
	secret := newSecret()
	s.mu.Lock()
	u := s.user(pathID(r))
	if u == nil {
		s.mu.Unlock()
		return ccNotFound
	}
	k := ccKey{user: u.id, name: q.Name}
	if q.Restricted != nil {
		k.restricted = *q.Restricted
	}
	id := s.mint(k, secret).id
	s.mu.Unlock()
	return writeJSON(w, http.StatusCreated, ccCreated{ID: id, APIKey: secret})
}

func (s *CertCentral) editKey(_ ccCaller, w http.ResponseWriter, r *http.Request) *ccError {
	var q ccKeyRequest
	if refusal := readJSON(r, &q); refusal != nil {
		return refusal
	}
	if refusal := q.check(); refusal != nil {
		return refusal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.key(pathID(r))
	if k == nil {
		return ccNotFound
	}
	k.name = q.Name
	if q.Restricted != nil {
		k.restricted = *q.Restricted
	}
	return noContent(w)
}

func (s *CertCentral) setKeyStatus(_ ccCaller, w http.ResponseWriter, r *http.Request) *ccError {
	var q struct {
		Status string `json:"status"`
	}
	if refusal := readJSON(r, &q); refusal != nil {
		return refusal
	}
	if q.Status != ccActive && q.Status != ccRevoked {
		return ccBadRequest("status must be active or revoked.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.key(pathID(r))
	if k == nil {
		return ccNotFound
	}
	s.setStatus(k, q.Status, s.options.Now())
	return noContent(w)
}

func (s *CertCentral) apiRoles(_ ccCaller, w http.ResponseWriter, _ *http.Request) *ccError {
	return writeJSON(w, http.StatusOK, map[string][]ccNamed{"access_roles": ccAPIRoles})
}
