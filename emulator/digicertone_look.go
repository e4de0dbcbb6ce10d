package emulator

import "time"

// User returns a user as it is, and false if there is none of that id.
func (s *DigiCertOne) User(id string) (DigiCertOneUser, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.user(id)
	if u == nil {
		return DigiCertOneUser{}, false
	}
	return u.public(), true
}

// Users returns every user as it is, in the order in which they were made. What is not listed yet is included: this is the
// truth, not the API's view of it.
func (s *DigiCertOne) Users() []DigiCertOneUser {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []DigiCertOneUser
	for i := range s.users {
		if u := &s.users[i]; !u.deleted {
			list = append(list, u.public())
		}
	}
	return list
}

// Token returns a token as it is, and false if there is none of that id.
func (s *DigiCertOne) Token(id string) (DigiCertOneToken, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.token(id)
	if t == nil {
		return DigiCertOneToken{}, false
	}
	return s.public(t), true
}

// Tokens returns every token of a user as it is, in the order in which they were made; of all users if userID is "". What is
// not listed yet is included: this is the truth, not the API's view of it.
func (s *DigiCertOne) Tokens(userID string) []DigiCertOneToken {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []DigiCertOneToken
	for i := range s.tokens {
		if t := s.public(&s.tokens[i]); !s.tokens[i].deleted && (userID == "" || t.UserID == userID) {
			list = append(list, t)
		}
	}
	return list
}

// TokenOfSecret returns the token that a secret belongs to, whatever its state, unless it was deleted.
func (s *DigiCertOne) TokenOfSecret(secret string) (DigiCertOneToken, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.bySecret(secret)
	if t == nil || t.deleted {
		return DigiCertOneToken{}, false
	}
	return s.public(t), true
}

func (u *d1User) public() DigiCertOneUser {
	p := DigiCertOneUser{
		ID: userID(u.id), FriendlyName: u.name, Description: u.description, Email: u.email, EndDate: endDate(u.end), Person: u.person,
		Disabled: u.stopped != 0, Created: moment(u.created), Stopped: u.stoppedAt(),
	}
	for _, id := range u.accounts {
		p.Accounts = append(p.Accounts, accountID(id))
	}
	for _, id := range u.roles {
		p.Roles = append(p.Roles, d1Roles[id-1].Name)
	}
	return p
}

func (s *DigiCertOne) public(t *d1Token) DigiCertOneToken {
	return DigiCertOneToken{
		ID: tokenID(t.id), UserID: userID(t.user), Name: t.name, EndDate: s.tokenEnd(t), Disabled: t.stopped != 0, Created: moment(t.created),
		LastUsed: moment(t.lastUsed), Stopped: t.stoppedAt(),
	}
}

func (l *d1Life) stoppedAt() time.Time {
	if l.stopped == d1LongAgo {
		return time.Time{}
	}
	return moment(l.stopped)
}

// Usage returns what became of the calls made with a token, by the token's id, or with a client certificate, by the user's id;
// with id "", of those made with none or one that never existed.
func (s *DigiCertOne) Usage(id string) Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.usageOf(id).snapshot()
}

// AllUsage returns the usage of everything that made a call, by the ids of [DigiCertOne.Usage].
func (s *DigiCertOne) AllUsage() map[string]Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]Usage{"": s.usageOf("").snapshot()}
	for id, u := range s.usage {
		all[id] = u.snapshot()
	}
	return all
}

func (s *DigiCertOne) usageOf(id string) *Usage {
	if s.usage[id] == nil {
		s.usage[id] = &Usage{}
	}
	return s.usage[id]
}

func (s *DigiCertOne) count(id string, change func(*Usage)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s.usageOf(id))
}
