package emulator

import (
	"net/http"
	"time"
)

// AdminHandler serves what no real system has: orders for faults, a look behind the scenes, and a person's hands. It asks for no
// key, so serve it on a loopback address, or beside the API under its own prefix "/_emulator/" where only tests can reach it.
//
//	GET    /_emulator/faults                       every order and how often it struck
//	POST   /_emulator/faults                       a [Scenario] as YAML or JSON: its faults are added
//	DELETE /_emulator/faults[?name=]               takes one back, or all
//	GET    /_emulator/usage                        per key id: calls let in, refused, throttled, disturbed ("" is no known key)
//	GET    /_emulator/calls                        {"collection_deletes", "tokens_issued"}
//	GET    /_emulator/keys[?user_id=]              every key as it truly is, without its value
//	POST   /_emulator/keys                         a [DataspotKey] as YAML or JSON; answers {"id", "value"}
//	GET    /_emulator/users[?tenant=]              every user as it truly is
//	POST   /_emulator/users                        a [DataspotUser] as YAML or JSON; answers {"id"}
//	POST   /_emulator/tenants                      {"name"}; answers {"manager_secret"}
//	GET    /_emulator/page/keys?tenant=&user=      what a person sees: names, hints and expiry
//	POST   /_emulator/page/keys                    {"tenant", "user", "name", "expires"}; a person makes a key; answers {"value"}
//	DELETE /_emulator/page/keys?tenant=&user=&name= a person deletes a key
//
// In the last three a user is named by its login or its id.
func (s *Dataspot) AdminHandler() http.Handler {
	mux := http.NewServeMux()
	s.Faults.serveOrders(mux)
	handle := func(pattern string, h func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			v, err := h(r)
			answer(w, v, err)
		})
	}
	handle("GET /_emulator/usage", func(*http.Request) (any, error) { return s.AllUsage(), nil })
	handle("GET /_emulator/calls", func(*http.Request) (any, error) {
		return map[string]int{"collection_deletes": s.CollectionDeletes(), "tokens_issued": s.TokensIssued()}, nil
	})
	handle("GET /_emulator/keys", func(r *http.Request) (any, error) { return s.Keys(r.URL.Query().Get("user_id")), nil })
	handle("POST /_emulator/keys", s.adminAddKey)
	handle("GET /_emulator/users", func(r *http.Request) (any, error) { return s.Users(r.URL.Query().Get("tenant")), nil })
	handle("POST /_emulator/users", s.adminAddUser)
	handle("POST /_emulator/tenants", s.adminAddTenant)
	handle("GET /_emulator/page/keys", func(r *http.Request) (any, error) {
		q := r.URL.Query()
		return s.ListKeysInPage(q.Get("tenant"), q.Get("user"))
	})
	handle("POST /_emulator/page/keys", s.adminMakeKey)
	handle("DELETE /_emulator/page/keys", func(r *http.Request) (any, error) {
		q := r.URL.Query()
		return nil, s.RemoveKeyInPage(q.Get("tenant"), q.Get("user"), q.Get("name"))
	})
	return mux
}

func (s *Dataspot) adminAddKey(r *http.Request) (any, error) {
	var k DataspotKey
	if err := readYAML(r, &k); err != nil {
		return nil, err
	}
	id, value, err := s.AddKey(k)
	return map[string]string{"id": id, "value": value}, err
}

func (s *Dataspot) adminAddUser(r *http.Request) (any, error) {
	var u DataspotUser
	if err := readYAML(r, &u); err != nil {
		return nil, err
	}
	id, err := s.AddUser(u)
	return map[string]string{"id": id}, err
}

func (s *Dataspot) adminAddTenant(r *http.Request) (any, error) {
	var q struct {
		Name string `yaml:"name"`
	}
	if err := readYAML(r, &q); err != nil {
		return nil, err
	}
	secret, err := s.AddTenant(q.Name)
	return map[string]string{"manager_secret": secret}, err
}

func (s *Dataspot) adminMakeKey(r *http.Request) (any, error) {
	var q struct {
		Tenant  string    `yaml:"tenant"`
		User    string    `yaml:"user"`
		Name    string    `yaml:"name"`
		Expires time.Time `yaml:"expires"`
	}
	if err := readYAML(r, &q); err != nil {
		return nil, err
	}
	value, err := s.MakeKeyInPage(q.Tenant, q.User, q.Name, q.Expires)
	return map[string]string{"value": value}, err
}
