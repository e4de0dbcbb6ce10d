package emulator

import (
	"bufio"
	"encoding/json"
	"net/http"
	"slices"
)

// dsUserEntry is a user as answers show it, in lists and alone.
type dsUserEntry struct {
	Links       dsLinks      `json:"_links"`
	Type        string       `json:"_type"`
	Version     int64        `json:"_version"`
	ID          string       `json:"id"`
	LoginID     string       `json:"loginId"`
	Name        string       `json:"name"`
	AccessLevel string       `json:"accessLevel"`
	ServiceUser bool         `json:"serviceUser"`
	IsPerson    string       `json:"isPerson,omitempty"`
	TenantID    string       `json:"tenantId"`
	Created     any          `json:"dateCreated"`
	Modified    any          `json:"dateModified"`
	AccessKeys  []dsKeyEntry `json:"accessKeys,omitzero"`
}

// userEntry shows a user, with its keys if the options say so, and with those that were made just now.
func (s *Dataspot) userEntry(u *dsUser, made []dsMade) dsUserEntry {
	p, id := s.profileOf(u), dsID(dsUserID, u.number)
	return dsUserEntry{
		Links: s.href("/users/" + id), Type: s.options.UserType, Version: u.version, ID: id, LoginID: p.login, Name: p.name, AccessLevel: p.level,
		ServiceUser: p.service, IsPerson: p.person, TenantID: dsID(dsTenantID, int64(u.tenant)+1), Created: s.date(u.created),
		Modified: s.date(u.modified), AccessKeys: s.keyEntries(u, made),
	}
}

// usersAtOnce is how many users are read before the lock is given back: a list is no snapshot.
const usersAtOnce = 512

// listUsers sends the one list there is, without pages, as it goes. _embedded is left out when it would be empty.
func (s *Dataspot) listUsers(c dsCaller, w http.ResponseWriter, r *http.Request) *dsError {
	login, filtered := r.URL.Query().Get("loginId"), r.URL.Query().Has("loginId") && !s.options.IgnoreLoginFilter
	list := s.startHAL(w, "/users", "users")
	for from, more := 0, true; more; from += usersAtOnce {
		var entries []dsUserEntry
		var total int
		entries, total, more = s.someUsers(from, viewOf(r), func(u *dsUser) bool {
			return u.tenant == c.tenant && (!filtered || s.profileOf(u).login == login)
		})
		list.total += total
		for _, e := range entries {
			list.add(e)
		}
	}
	list.end()
	return nil
}

// someUsers shows the users that are wanted among the next few, and counts them whatever a fault makes the list show.
func (s *Dataspot) someUsers(from int, lie view, wanted func(*dsUser) bool) (entries []dsUserEntry, total int, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	to := min(from+usersAtOnce, len(s.users))
	for i := from; i < to; i++ {
		u := &s.users[i]
		if u.deleted || lie.empty || !wanted(u) {
			continue
		}
		total++
		for range lie.times(dsID(dsUserID, u.number), s.profileOf(u).login) {
			entries = append(entries, s.userEntry(u, nil))
		}
	}
	return entries, total, to < len(s.users)
}

// halList sends {"_links":…,"_embedded":{name:[…]},"total":n} as it goes. Errors are not looked at: they mean that the client is gone.
type halList struct {
	w     *bufio.Writer
	name  string
	begun bool
	total int
}

func (s *Dataspot) startHAL(w http.ResponseWriter, below, name string) *halList {
	w.Header().Set("Content-Type", "application/hal+json")
	l := &halList{w: bufio.NewWriterSize(w, 32<<10), name: name}
	_, _ = l.w.WriteString(`{"_links":`)
	l.write(s.href(below))
	return l
}

func (l *halList) write(v any) {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain structs
	}
	_, _ = l.w.Write(text)
}

func (l *halList) add(v any) {
	if l.begun {
		_ = l.w.WriteByte(',')
	} else {
		_, _ = l.w.WriteString(`,"_embedded":{"` + l.name + `":[`)
	}
	l.begun = true
	l.write(v)
}

func (l *halList) end() {
	if l.begun {
		_, _ = l.w.WriteString("]}")
	}
	_, _ = l.w.WriteString(`,"total":`)
	l.write(l.total)
	_ = l.w.WriteByte('}')
	_ = l.w.Flush()
}

// visible finds the user of a path in the caller's tenant, or says in which way it is not there.
func (s *Dataspot) visible(c dsCaller, r *http.Request) (*dsUser, *dsError) {
	u := s.anyUser(dsNumber(dsUserID, r.PathValue("id")))
	switch {
	case u == nil || u.tenant != c.tenant:
		return nil, dsNotFound
	case u.deleted && s.options.GoneIs410:
		return nil, dsGone
	case u.deleted:
		return nil, dsNotFound
	}
	return u, nil
}

func (s *Dataspot) showUser(c dsCaller, w http.ResponseWriter, r *http.Request) *dsError {
	s.mu.Lock()
	u, refusal := s.visible(c, r)
	if refusal != nil {
		s.mu.Unlock()
		return refusal
	}
	e := s.userEntry(u, nil)
	s.mu.Unlock()
	send(w, http.StatusOK, e)
	return nil
}

func (s *Dataspot) deleteUser(c dsCaller, w http.ResponseWriter, r *http.Request) *dsError {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, refusal := s.visible(c, r)
	if refusal != nil {
		return refusal
	}
	s.removeUser(u)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// deleteUsers deletes every user of the tenant, the caller among them.
func (s *Dataspot) deleteUsers(c dsCaller, w http.ResponseWriter, _ *http.Request) *dsError {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.users {
		if u := &s.users[i]; u.tenant == c.tenant && !u.deleted {
			s.removeUser(u)
		}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

type dsTenantEntry struct {
	Links dsLinks `json:"_links"`
	ID    string  `json:"id"`
	Name  string  `json:"tenantName"`
}

// tenantEntry shows the caller's tenant, the only one that it sees.
func (s *Dataspot) tenantEntry(c dsCaller) dsTenantEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := s.tenants[c.tenant].name
	return dsTenantEntry{Links: s.href("/tenants/" + name), ID: dsID(dsTenantID, int64(c.tenant)+1), Name: name}
}

// listTenants shows the tenant of the key: a key is valid in one only.
func (s *Dataspot) listTenants(c dsCaller, w http.ResponseWriter, _ *http.Request) *dsError {
	list := s.startHAL(w, "/tenants", "tenants")
	list.total = 1
	list.add(s.tenantEntry(c))
	list.end()
	return nil
}

func (s *Dataspot) showTenant(c dsCaller, w http.ResponseWriter, r *http.Request) *dsError {
	e := s.tenantEntry(c)
	if e.Name != r.PathValue("name") {
		return dsNotFound
	}
	send(w, http.StatusOK, e)
	return nil
}

var dsLevels = []string{dsReadOnly, dsEditor, dsAdministrator}

func knownLevel(level string) bool { return slices.Contains(dsLevels, level) }
