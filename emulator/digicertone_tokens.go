package emulator

import (
	"net/http"
)

// tokenEnd is the end date that answers show: a token that was made with its user has the user's.
func (s *DigiCertOne) tokenEnd(t *d1Token) string { return endDate(s.lifeOf(t).end) }

// lifeOf is the token's life, with its user's end if it has none of its own.
func (s *DigiCertOne) lifeOf(t *d1Token) *d1Life {
	life := t.d1Life
	if t.ofUser {
		life.end = s.users[t.user-1].end
	}
	return &life
}

// tokenObject is a token as answers show it, under the default names and without its value.
func (s *DigiCertOne) tokenObject(t *d1Token, at int64) d1Object {
	o := d1Object{
		"id": tokenID(t.id), "name": t.name, "user_id": userID(t.user), "status": s.options.word(s.lifeOf(t).status(at)),
		"end_date": orNull(s.tokenEnd(t)), "created_at": d1Time(t.created),
	}
	if !s.options.ShowLastUsed {
		return o
	}
	o["last_used_at"] = nil
	if used := t.shownLastUsed(at, s.options.LastUsedLag); used != 0 {
		o["last_used_at"] = d1Time(used)
	}
	return o
}

// owner finds the user whose tokens a call is about. Everybody may manage the own ones; those of others need "Manage users" and
// access to their account.
func (s *DigiCertOne) owner(c d1Call, id string) (*d1User, *d1Error) {
	if id == userID(c.user) {
		return &s.users[c.user-1], nil
	}
	if !c.manage {
		return nil, d1NoRight
	}
	u := s.user(id)
	if u == nil || !c.reaches(u) {
		return nil, d1NotFound
	}
	return u, nil
}

// ownedToken finds the token of a path if the caller may manage it.
func (s *DigiCertOne) ownedToken(c d1Call) (*d1Token, *d1Error) {
	t := s.token(c.id)
	if t == nil {
		return nil, d1NotFound
	}
	if _, refusal := s.owner(c, userID(t.user)); refusal != nil {
		return nil, refusal
	}
	return t, nil
}

func (s *DigiCertOne) listTokens(c d1Call) (d1Answer, *d1Error) {
	id := c.query.Get("user_id")
	if id == "" {
		return d1Answer{}, d1BadRequest("user_id is required.")
	}
	u, refusal := s.owner(c, id)
	if refusal != nil {
		return d1Answer{}, refusal
	}
	l := &d1List{render: func(id int) d1Object {
		t := &s.tokens[id-1]
		if t.deleted {
			return nil
		}
		return s.options.rename(d1KindToken, s.tokenObject(t, c.at))
	}}
	for _, id := range u.tokens {
		t := &s.tokens[id-1]
		if !s.listed(&t.d1Life, c.at) {
			continue
		}
		for range c.lie.times(tokenID(id), t.name) {
			l.ids = append(l.ids, id)
		}
	}
	return d1Answer{status: http.StatusOK, list: l}, nil
}

func (s *DigiCertOne) tokenInfo(c d1Call) (d1Answer, *d1Error) {
	t, refusal := s.ownedToken(c)
	if refusal != nil {
		return d1Answer{}, refusal
	}
	if !s.listed(&t.d1Life, c.at) {
		return d1Answer{}, d1NotFound
	}
	return s.showToken(http.StatusOK, t, c.at), nil
}

func (s *DigiCertOne) showToken(status int, t *d1Token, at int64) d1Answer {
	return d1Answer{status: status, object: s.options.rename(d1KindToken, s.tokenObject(t, at))}
}

func (s *DigiCertOne) createToken(c d1Call) (d1Answer, *d1Error) {
	id, refusal := c.body.required("user_id")
	if refusal != nil {
		return d1Answer{}, refusal
	}
	u, refusal := s.owner(c, id)
	if refusal != nil {
		return d1Answer{}, refusal
	}
	if u.expired(c.at) {
		return d1Answer{}, d1BadRequest("The user has expired.")
	}
	t := d1Token{user: u.id, d1Life: d1Life{created: c.at, minted: c.at}}
	if t.name, refusal = s.tokenNameRequest(c, t); refusal != nil {
		return d1Answer{}, refusal
	}
	if t.end, refusal = c.end(); refusal != nil {
		return d1Answer{}, refusal
	}
	if limit := s.options.MaxTokens; limit > 0 && s.tokensOf(u) >= limit {
		return d1Answer{}, d1BadRequest("The user has the maximum of %d tokens.", limit)
	}
	secret := newSecret()
	o := s.tokenObject(s.newToken(t, secret), c.at)
	o["token"] = secret
	return d1Answer{status: s.options.CreatedStatus, object: s.options.rename(d1KindToken, o)}, nil
}

// tokensOf counts the tokens of a user, whatever their state.
func (s *DigiCertOne) tokensOf(u *d1User) (n int) {
	for _, id := range u.tokens {
		if !s.tokens[id-1].deleted {
			n++
		}
	}
	return n
}

// tokenNameRequest reads the name of a token, which has the id 0 if it is new.
func (s *DigiCertOne) tokenNameRequest(c d1Call, t d1Token) (string, *d1Error) {
	name, refusal := c.body.required("name")
	if refusal != nil {
		return "", refusal
	}
	if refusal = s.checkName("name", name); refusal != nil {
		return "", refusal
	}
	if taken := s.tokenNames[s.tokenName(t.user, name)]; taken != 0 && taken != t.id {
		return "", s.duplicate("name")
	}
	return name, nil
}

// editToken takes the full object: an end date that is left out is taken away.
func (s *DigiCertOne) editToken(c d1Call) (d1Answer, *d1Error) {
	t, refusal := s.ownedToken(c)
	if refusal != nil {
		return d1Answer{}, refusal
	}
	life := s.lifeOf(t)
	if life.expired(c.at) {
		return d1Answer{}, d1BadRequest("The token has expired.")
	}
	if refusal = c.fixed(map[string]string{"id": tokenID(t.id), "user_id": userID(t.user)}); refusal != nil {
		return d1Answer{}, refusal
	}
	name, refusal := s.tokenNameRequest(c, *t)
	if refusal != nil {
		return d1Answer{}, refusal
	}
	disabled, refusal := s.disabledRequest(c)
	if refusal != nil {
		return d1Answer{}, refusal
	}
	end, refusal := c.newEnd(life.end)
	if refusal != nil {
		return d1Answer{}, refusal
	}
	if t.ofUser && end != life.end {
		return d1Answer{}, d1BadRequest("The token ends with its user.")
	}
	if !t.ofUser {
		t.end = end
	}
	s.rename(t, name)
	t.setDisabled(disabled, c.at)
	return s.showToken(http.StatusOK, t, c.at), nil
}

// fixed refuses a full object that changes what cannot be changed.
func (c d1Call) fixed(values map[string]string) *d1Error {
	for name, value := range values {
		if text, refusal := c.body.text(name); refusal != nil || (text != "" && text != value) {
			return d1BadRequest("%s cannot be changed in this way.", name)
		}
	}
	return nil
}

// disabledRequest reads the status that a full object wants.
func (s *DigiCertOne) disabledRequest(c d1Call) (bool, *d1Error) {
	status, refusal := c.body.required("status")
	active, disabled := s.options.word(d1Active), s.options.word(d1Disabled)
	if refusal == nil && status != active && status != disabled {
		refusal = d1BadRequest("status must be %s or %s.", active, disabled)
	}
	return status == disabled, refusal
}

func (s *DigiCertOne) rename(t *d1Token, name string) {
	delete(s.tokenNames, s.tokenName(t.user, t.name))
	t.name = name
	s.tokenNames[s.tokenName(t.user, name)] = t.id
}

func (s *DigiCertOne) deleteToken(c d1Call) (d1Answer, *d1Error) {
	t, refusal := s.ownedToken(c)
	if refusal != nil {
		return d1Answer{}, refusal
	}
	s.removeToken(t, c.at)
	return d1NoContent, nil
}
