package web

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

//go:embed pages
var pageFiles embed.FS

// The pages' templates, each with the layout around it.
var (
	nowPage        = pageTemplate("now")
	credentialPage = pageTemplate("credential")
	providerPage   = pageTemplate("provider")
	calendarPage   = pageTemplate("calendar")
	fleetPage      = pageTemplate("fleet")
	auditPage      = pageTemplate("audit")
	runbooksPage   = pageTemplate("runbooks")
	incidentsPage  = pageTemplate("incidents")
	incidentPage   = pageTemplate("incident")
	plainPage      = pageTemplate("plain")
)

func pageTemplate(name string) *template.Template {
	return template.Must(template.New(name).Funcs(template.FuncMap{
		"at": at, "stage": stageWords, "step": stageStep, "steps": func() int { return len(happyPath()) }, "plural": plural,
		"link": credentialLink, "itemLink": itemLink, "reasonWords": reasonWords, "approvable": approvable, "first": firstDue, "runbook": runbookLink,
		"next": adviceOn, "shell": quoted, "ends": endOf, "because": because, "sentence": sentence,
		"explained": explainedAt, "incidentLink": incidentLink, "length": length, "stepOf": stepOf,
	}).ParseFS(pageFiles, "pages/layout.html", "pages/"+name+".html"))
}

// frame is what every page has around its content.
type frame struct {
	Title, Version string
	Now            time.Time
	Nav            []navLink
	// Refresh makes the page load itself anew where there is no JavaScript.
	Refresh bool
	// Alarm marks the title, which is all that one sees of a page in the background.
	Alarm bool
	// Trouble is why there is nothing to show.
	Trouble string
	Said    *said
	// Caller was authenticated; empty if nobody was.
	Caller string
	// WhyNot is why the caller may not act here; empty if they may.
	WhyNot string
}

type navLink struct {
	Name, Href string
	// Here is how the page stands to it, as aria-current says it: "page" for itself, "true" for one below it, or empty.
	Here string
}

// said is what came of an action.
type said struct {
	Words string
	Bad   bool
}

func (s *Server) frame(r *http.Request, title string) frame {
	f := frame{Title: title, Version: s.o.Version, Now: time.Now().UTC(), Caller: callerOf(r.Context()).name, WhyNot: s.whyNot(r)}
	for _, l := range []navLink{{Name: "Now", Href: "/"}, {Name: "Calendar", Href: "/calendar"}, {Name: "Fleet", Href: "/fleet"}, {Name: "Incidents", Href: pathIncidents},
		{Name: "Audit", Href: "/audit"}, {Name: "Runbooks", Href: pathRunbooks}} {
		switch {
		case l.Href == r.URL.Path:
			l.Here = "page"
		case l.Href != "/" && strings.HasPrefix(r.URL.Path, l.Href+"/"):
			l.Here = "true"
		}
		f.Nav = append(f.Nav, l)
	}
	return f
}

// whyNot asks the gate whether it would let the caller of r act.
func (s *Server) whyNot(r *http.Request) string {
	acts := r.Clone(r.Context())
	acts.Method = http.MethodPost
	if _, no := s.gate.admit(acts); no != nil {
		return no.why
	}
	return ""
}

// show answers with a page. data embeds the frame.
func (s *Server) show(w http.ResponseWriter, t *template.Template, status int, data any) {
	var body bytes.Buffer
	if err := t.ExecuteTemplate(&body, "layout", data); err != nil {
		s.log.Error("a page cannot be made", zap.String("page", t.Name()), zap.Error(err))
		http.Error(w, "the page cannot be made; the API at "+apiPrefix+"/status says what needs a person: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = body.WriteTo(w) // the caller is gone
}

// showTrouble answers with a page that says that the journal cannot be read, in place of what was asked for.
func (s *Server) showTrouble(w http.ResponseWriter, f frame, err error) {
	f.Trouble, f.Alarm = journalTrouble(err), true
	s.show(w, plainPage, http.StatusInternalServerError, f)
}

// notFound answers in words that there is no such thing.
func (s *Server) notFound(w http.ResponseWriter, r *http.Request, words string) {
	s.show(w, plainPage, http.StatusNotFound, struct {
		frame
		Words string
	}{s.frame(r, "Not found"), words})
}

// pathOf joins segments that may hold anything to a path.
func pathOf(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteString("/" + url.PathEscape(s))
	}
	return b.String()
}

// credentialLink is the path of a credential's page; empty for a name that no path can hold.
func credentialLink(c CredentialName) string {
	for _, part := range []string{c.Provider, c.UserID, c.Credential} {
		if part == "" || part == "." || part == ".." {
			return ""
		}
	}
	return pathOf("credentials", c.Provider, c.UserID, c.Credential)
}

// itemLink is the path of the page about an item; empty if there is none.
func itemLink(i Item) string {
	switch i.About {
	case "provider":
		return pathOf("providers", i.What)
	case "rotation", "key", "hook", "verification":
		return credentialLink(i.credential)
	case "service_user":
		provider, _, _ := strings.Cut(i.What, "/")
		return pathOf("providers", provider)
	case "incident":
		return incidentLink(i.What)
	default:
		return ""
	}
}

// dueShown is how much of what is due next the first page shows, so that what follows stays in sight.
const dueShown = 8

func firstDue(all []Credential) []Credential { return all[:min(len(all), dueShown)] }

func approvable(i Item) bool { return i.Reason == string(rotator.BlockAwaitingApproval) }

// asset serves an embedded file.
func asset(contentType, name string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		content, err := pageFiles.ReadFile("pages/" + name)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(content) // the caller is gone
	}
}
