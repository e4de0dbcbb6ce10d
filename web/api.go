package web

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/rotatord/rotatord/rotator"
)

const (
	apiPrefix   = "/api/v1"
	pathOpenAPI = apiPrefix + "/openapi"
)

// apiVersion is the version of the API, not the daemon's: it changes when a client has to.
const apiVersion = "1.0.0"

const apiDescription = `Reads and steers a running rotatord.

Times are RFC 3339. A time or text that is absent never was. A rotation, a key or a credential is named by ids that are not
secret; secrets are in no answer.

Lists go on at the cursor that they name as *next*. An answer's ETag, sent back as If-None-Match, brings 304 while the answer is the same;
*/events* says when to look.

Errors are problem details (RFC 9457). Their kind says what may help: *transient* and *throttled* pass by themselves,
*conflict*, *gone* and *invalid* do not.

Who acts is recorded. That is the authenticated user where there is authentication; else what the request says of itself,
marked as unverified; else the address that it came from. Without authentication only a listener on a loopback address or
a Unix socket lets anybody act, and it answers only to the host names localhost, 127.0.0.1 and [::1].`

// api builds the API upon mux.
func (s *Server) api(mux *http.ServeMux) huma.API {
	api := humago.New(mux, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: "rotatord", Version: apiVersion, Description: apiDescription},
		},
		Formats:                      map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{ownProblems},
	})
	s.reading(api)
	s.fleet(api)
	s.planning(api)
	s.freezing(api)
	s.drilling(api)
	s.verifying(api)
	s.incidents(api)
	s.reporting(api)
	s.acting(api)
	s.people(api)
	s.auditing(api)
	s.streaming(api)
	s.sealing(api)
	delete(api.OpenAPI().Components.Schemas.Map(), "ErrorModel") // the library's, which ownProblems replaces
	delete(api.OpenAPI().Components.Schemas.Map(), "ErrorDetail")
	return api
}

// describe adds the API and its description.
func (s *Server) describe(mux *http.ServeMux) {
	api := s.api(mux)
	mux.HandleFunc("GET "+pathOpenAPI+".json", once("application/openapi+json", func() ([]byte, error) { return api.OpenAPI().MarshalJSON() }))
	mux.HandleFunc("GET "+pathOpenAPI+".yaml", once("application/openapi+yaml", func() ([]byte, error) { return api.OpenAPI().YAML() }))
}

// OpenAPI returns the description of the API as YAML, generated from the code.
func OpenAPI() ([]byte, error) {
	return new(Server).api(http.NewServeMux()).OpenAPI().YAML()
}

// operation describes an endpoint whose errors are problems.
func operation(api huma.API, method, where, id, summary, description string, status int) huma.Operation {
	schema := api.OpenAPI().Components.Schemas.Schema(problemGoType, true, "Problem")
	return huma.Operation{
		OperationID: id, Method: method, Path: apiPrefix + where, Summary: summary, Description: description,
		DefaultStatus: status, MaxBodyBytes: maxBody,
		Responses: map[string]*huma.Response{"default": {
			Description: "Whatever went wrong.", Content: map[string]*huma.MediaType{problemType: {Schema: schema}},
		}},
	}
}

// request and answer are what the API library wants around a body.
type request[T any] struct{ Body T }

// answer is a response with a body.
type answer[T any] struct{ Body T }

// Selection chooses credentials by patterns in which * stands for anything but a slash and ? for one character.
type Selection struct {
	Provider   string `json:"provider" minLength:"1" maxLength:"200" example:"certcentral" doc:"A pattern for the provider's name in the configuration."`
	User       string `json:"user" minLength:"1" maxLength:"200" example:"ci-*" doc:"A pattern for the service user's id, name or e-mail."`
	Credential string `json:"credential" minLength:"1" maxLength:"200" example:"*" doc:"A pattern for the base name of the credential's keys."`
}

// literally selects the one credential, whatever its name holds.
func literally(c rotator.CredentialID) Selection {
	escape := strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`, `\`, `\\`).Replace
	return Selection{Provider: escape(c.Provider), User: escape(c.UserID), Credential: escape(c.Base)}
}

func (s Selection) check() error {
	for _, pattern := range []string{s.Provider, s.User, s.Credential} {
		if _, err := path.Match(pattern, ""); err != nil {
			return problem(http.StatusUnprocessableEntity, "%q is not a pattern: * stands for anything but a slash, ? for one character, and \\ before one takes it literally", pattern)
		}
	}
	return nil
}

// find returns the credentials that are chosen, at least one and at most selectAtMost.
func (s *Server) find(ctx context.Context, sel Selection) ([]rotator.TrackedKey, error) {
	if err := sel.check(); err != nil {
		return nil, err
	}
	found, err := s.o.Journal.FindCredentials(ctx, sel.Provider, sel.User, sel.Credential, selectAtMost+1)
	switch {
	case err != nil:
		return nil, journalProblem(err)
	case len(found) == 0:
		return nil, problem(http.StatusNotFound, "no credential matches %s; GET %s/credentials lists what the last scans saw", sel, apiPrefix)
	case len(found) > selectAtMost:
		return nil, problem(http.StatusUnprocessableEntity, "more than %d credentials match %s; nothing was done: narrow the patterns, or go provider by provider", selectAtMost, sel)
	}
	return found, nil
}

// String reads provider/user/credential.
func (s Selection) String() string { return fmt.Sprintf("%s/%s/%s", s.Provider, s.User, s.Credential) }
