package emulator

import (
	"net/http"
	"time"
)

// AdminHandler is as [CertCentral.AdminHandler] is, with the same orders for faults:
//
//	GET    /_emulator/faults             every order and how often it struck
//	POST   /_emulator/faults             a [Scenario] as YAML or JSON: its faults are added
//	DELETE /_emulator/faults[?name=]     takes one back, or all
//	GET    /_emulator/usage              as [DigiCertOne.AllUsage]: "" is no known token
//	GET    /_emulator/users              every user as it truly is
//	GET    /_emulator/tokens[?user_id=]  every token as it truly is, without its secret
//	POST   /_emulator/users              a [DigiCertOneUser] as YAML or JSON; answers {"id", "token"}
//	POST   /_emulator/tokens             a [DigiCertOneToken] as YAML or JSON; answers {"id", "token"}
//	POST   /_emulator/maintenance        {"until"}: every call is answered with 503 until then
func (s *DigiCertOne) AdminHandler() http.Handler {
	mux := http.NewServeMux()
	s.Faults.serveOrders(mux)
	mux.HandleFunc("GET /_emulator/usage", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.AllUsage(), nil) })
	mux.HandleFunc("GET /_emulator/users", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.Users(), nil) })
	mux.HandleFunc("GET /_emulator/tokens", func(w http.ResponseWriter, r *http.Request) {
		answer(w, s.Tokens(r.URL.Query().Get("user_id")), nil)
	})
	mux.HandleFunc("POST /_emulator/users", func(w http.ResponseWriter, r *http.Request) {
		var u DigiCertOneUser
		answerAdded(w, r, &u, func() (string, string, error) { return s.AddServiceUser(u) })
	})
	mux.HandleFunc("POST /_emulator/tokens", func(w http.ResponseWriter, r *http.Request) {
		var t DigiCertOneToken
		answerAdded(w, r, &t, func() (string, string, error) { return s.AddToken(t) })
	})
	mux.HandleFunc("POST /_emulator/maintenance", func(w http.ResponseWriter, r *http.Request) {
		var order struct {
			Until time.Time `yaml:"until"`
		}
		err := readYAML(r, &order)
		if err == nil {
			s.Maintain(order.Until)
		}
		answer(w, nil, err)
	})
	return mux
}

// d1Added is the answer that shows a secret.
type d1Added struct {
	ID    string `json:"id"`
	Token string `json:"token,omitempty"`
}

// answerAdded reads what is to be added, and adds it.
func answerAdded(w http.ResponseWriter, r *http.Request, into any, add func() (id, secret string, err error)) {
	if err := readYAML(r, into); err != nil {
		answer(w, nil, err)
		return
	}
	id, secret, err := add()
	answer(w, d1Added{id, secret}, err)
}
