package emulator

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"go.yaml.in/yaml/v4"
)

// AdminHandler serves what no real system has: orders for faults, and a look behind the scenes. It asks for no key, so
// serve it on a loopback address, or beside the API under its own prefix "/_emulator/" where only tests can reach it.
//
//	GET    /_emulator/faults          every order and how often it struck
//	POST   /_emulator/faults          a [Scenario] as YAML or JSON: its faults are added
//	DELETE /_emulator/faults[?name=]  takes one back, or all
//	GET    /_emulator/usage           per key id: calls let in, refused, throttled, disturbed ("0" is no known key)
//	GET    /_emulator/keys[?user_id=] every key as it truly is, without its secret
//	POST   /_emulator/users           a [CertCentralUser] as YAML or JSON; answers {"id"}
//	POST   /_emulator/keys            a [CertCentralKey] as YAML or JSON; answers {"id", "api_key"}
func (s *CertCentral) AdminHandler() http.Handler {
	mux := http.NewServeMux()
	s.Faults.serveOrders(mux)
	mux.HandleFunc("GET /_emulator/usage", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.AllUsage(), nil) })
	mux.HandleFunc("GET /_emulator/keys", func(w http.ResponseWriter, r *http.Request) {
		keys, err := s.adminKeys(r)
		answer(w, keys, err)
	})
	mux.HandleFunc("POST /_emulator/users", func(w http.ResponseWriter, r *http.Request) {
		var u CertCentralUser
		if err := readYAML(r, &u); err != nil {
			answer(w, nil, err)
			return
		}
		answer(w, map[string]int64{"id": s.AddUser(u)}, nil)
	})
	mux.HandleFunc("POST /_emulator/keys", func(w http.ResponseWriter, r *http.Request) {
		created, err := s.adminAddKey(r)
		answer(w, created, err)
	})
	return mux
}

// serveOrders lets faults be seen, ordered and taken back: the same for every system.
func (f *Faults) serveOrders(mux *http.ServeMux) {
	mux.HandleFunc("GET /_emulator/faults", func(w http.ResponseWriter, _ *http.Request) { answer(w, f.List(), nil) })
	mux.HandleFunc("POST /_emulator/faults", func(w http.ResponseWriter, r *http.Request) { answer(w, nil, f.order(r)) })
	mux.HandleFunc("DELETE /_emulator/faults", func(w http.ResponseWriter, r *http.Request) {
		answer(w, map[string]int{"removed": f.Remove(r.URL.Query().Get("name"))}, nil)
	})
}

// order adds the faults of a scenario in the request's body.
func (f *Faults) order(r *http.Request) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxScenario))
	if err != nil {
		return fmt.Errorf("the request could not be read: %w", err)
	}
	scenario, err := ParseScenario(body)
	if err != nil {
		return err
	}
	return f.Apply(scenario)
}

func (s *CertCentral) adminKeys(r *http.Request) ([]CertCentralKey, error) {
	text := r.URL.Query().Get("user_id")
	if text == "" {
		return s.Keys(0), nil
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("user_id %q is not a number", text)
	}
	return s.Keys(id), nil
}

func (s *CertCentral) adminAddKey(r *http.Request) (ccCreated, error) {
	var k CertCentralKey
	if err := readYAML(r, &k); err != nil {
		return ccCreated{}, err
	}
	id, secret, err := s.AddKey(k)
	return ccCreated{ID: id, APIKey: secret}, err
}

// maxScenario bounds what the admin handler reads, in bytes.
const maxScenario = 1 << 20

func readYAML(r *http.Request, into any) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxScenario))
	if err != nil {
		return fmt.Errorf("the request could not be read: %w", err)
	}
	if err := yaml.Load(body, into, yaml.WithKnownFields()); err != nil {
		return fmt.Errorf("the request makes no sense: %w", err)
	}
	return nil
}

// answer sends v as JSON, nothing if v is nil, or err as plain text.
func answer(w http.ResponseWriter, v any, err error) {
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	case v == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v) // the client is gone if this fails
	}
}
