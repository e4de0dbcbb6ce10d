package web

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// The conventions of Prometheus servers.
const (
	pathHealthy = "/-/healthy"
	pathReady   = "/-/ready"
	pathReload  = "/-/reload"
	pathStyle   = "/style.css"
	pathScript  = "/page.js"
)

// routes puts everything in its place, behind the gate.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pathHealthy, healthy)
	mux.HandleFunc("GET "+pathReady, s.ready)
	mux.HandleFunc("POST "+pathReload, s.reload)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.o.Metrics, promhttp.HandlerOpts{
		ErrorLog: zap.NewStdLog(s.log), ErrorHandling: promhttp.ContinueOnError, EnableOpenMetrics: true, MaxRequestsInFlight: 4,
	}))
	s.pages(mux)
	s.describe(mux)
	mux.HandleFunc("/api/", unknown)

	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse(w, r, http.StatusForbidden, "another site's page made the browser send this; it is refused")
	}))
	return small(s.catch(harden(cross.Handler(s.gate.guard(conditional(mux))))))
}

// pages puts the pages for people in their places.
func (s *Server) pages(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /credentials/{provider}/{user}/{base}", s.credentialPage)
	mux.HandleFunc("POST /credentials/{provider}/{user}/{base}/{action}", s.actOnCredential)
	mux.HandleFunc("POST /credentials/{provider}/{user}/{base}/verify", s.verifyOnPage)
	mux.HandleFunc("GET "+pathIncidents, s.showIncidents)
	mux.HandleFunc("GET "+pathIncidents+"/{id}", s.showIncident)
	mux.HandleFunc("GET "+pathIncidents+"/{id}/report.md", s.incidentReport)
	mux.HandleFunc("GET /providers/{provider}", s.providerPage)
	mux.HandleFunc("POST /providers/{provider}/approve", s.approveOnPage)
	mux.HandleFunc("GET /calendar", s.calendarPage)
	mux.HandleFunc("GET /fleet", s.fleetPage)
	mux.HandleFunc("GET "+pathFleetCSV, s.fleetCSV)
	mux.HandleFunc("GET /audit", s.showAudit)
	mux.HandleFunc("GET "+pathRunbooks, s.showRunbooks)
	mux.HandleFunc("GET "+pathRunbooks+"/{alert}", s.showRunbook)
	mux.HandleFunc("GET "+pathStyle, asset("text/css; charset=utf-8", "style.css"))
	mux.HandleFunc("GET "+pathScript, asset("text/javascript; charset=utf-8", "page.js"))
}

// harden tells browsers to run and load nothing but what this server gives them, and not to be framed. What
// the web config file sets wins.
func harden(next http.Handler) http.Handler {
	headers := map[string]string{
		"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
		"X-Content-Type-Options":  "nosniff",
		"X-Frame-Options":         "deny",
		"Referrer-Policy":         "no-referrer",
		"Cache-Control":           "no-store",
		// No other site's page shares a process or a window with these, or takes anything of theirs in.
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range headers {
			if w.Header().Get(name) == "" {
				w.Header().Set(name, value)
			}
		}
		next.ServeHTTP(w, r)
	})
}

func unknown(w http.ResponseWriter, r *http.Request) {
	refuse(w, r, http.StatusNotFound, fmt.Sprintf("there is no %s %s; %s lists what there is", r.Method, r.URL.Path, pathOpenAPI+".yaml"))
}

// healthy says that the process answers. It says no more, on purpose: a supervisor that restarts the daemon because a
// provider or a disk is in trouble makes nothing better.
func healthy(w http.ResponseWriter, _ *http.Request) {
	words(w, http.StatusOK, "rotatord is running\n")
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if why := s.unready.Load(); why != nil {
		words(w, http.StatusServiceUnavailable, "not ready: "+*why+"\n")
		return
	}
	words(w, http.StatusOK, "rotatord is ready\n")
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	who := callerOf(r.Context()).actor("")
	if err := s.o.Reload(r.Context()); err != nil {
		s.record(r.Context(), rotator.AuditEvent{Kind: rotator.AuditReload, Outcome: rotator.AuditRefused, Actor: who, Note: err.Error()})
		s.log.Warn("reload asked for over HTTP; the configuration is bad and the running one stays in force", zap.String("by", who))
		words(w, http.StatusInternalServerError,
			"the configuration was not taken over; the one that was running stays in force:\n"+strings.TrimSpace(err.Error())+"\n")
		return
	}
	s.record(r.Context(), rotator.AuditEvent{Kind: rotator.AuditReload, Outcome: rotator.AuditDone, Actor: who, Note: "the configuration was read anew"})
	s.log.Info("reload asked for over HTTP", zap.String("by", who))
	words(w, http.StatusOK, "the configuration was read anew and is in force\n")
}

func words(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // the caller is gone
}

// once computes an answer that never changes, when somebody first wants it.
func once(contentType string, compute func() ([]byte, error)) http.HandlerFunc {
	get := sync.OnceValues(compute)
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := get()
		if err != nil {
			refuse(w, r, http.StatusInternalServerError, err.Error())
			return
		}
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(body) // the caller is gone
	}
}
