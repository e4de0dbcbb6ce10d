package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// Seal is where the key stands that seals secrets in flight.
type Seal struct {
	Ready bool `json:"ready" doc:"False while the daemon waits for the key."`
	// Keys are names that say nothing about the keys.
	Keys   []string `json:"keys" nullable:"false" doc:"The names of the keys that the daemon has, the one that seals first."`
	Sealed int      `json:"sealed" doc:"Secrets in flight that are sealed under the first key."`
	Behind int      `json:"behind" doc:"Secrets in flight that are sealed under another key; while there are any, that key is needed."`
	Lost   int      `json:"lost" doc:"Rotations whose seal key was given up as lost, and which have not started over yet."`
}

func (s *Server) sealing(api huma.API) {
	huma.Register(api, operation(api, http.MethodGet, "/seal", "seal", "Say where the seal key stands",
		"The names of the seal keys, and how much is sealed under them. The keys themselves are in no answer.", http.StatusOK),
		func(ctx context.Context, _ *struct{}) (*answer[Seal], error) {
			if s.o.Seal == nil {
				return nil, problem(http.StatusNotFound, "this server looks after no seal key")
			}
			st, err := s.o.Seal(ctx)
			if err != nil {
				return nil, journalProblem(err)
			}
			if st.Keys == nil {
				st.Keys = []string{}
			}
			return &answer[Seal]{Body: st}, nil
		})
}
