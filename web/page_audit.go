package web

import (
	"errors"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/audit"
)

const (
	auditShows = 50
	// auditLooks bounds how many records a page that is filtered looks at; the next one goes on from there.
	auditLooks = 2000
)

type auditData struct {
	frame
	Filter       audit.Filter
	Head         rotator.AuditHead
	Records      []auditRow
	Paged        bool
	First, Older string
}

type auditRow struct {
	Seq int64
	At  time.Time
	CredentialName
	Actor, Kind, Outcome, To, Note string
	// Incident is the id of the one that it is about; empty for none.
	Incident string
}

func (s *Server) showAudit(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	d := auditData{frame: s.frame(r, "Audit"), Filter: audit.Filter{
		Provider: q.Get("provider"), User: q.Get("user"), Credential: q.Get("credential"), Actor: q.Get("actor")}}
	if s.o.Audit == nil {
		s.notFound(w, r, "This daemon keeps no audit record.")
		return
	}
	for _, pattern := range []string{d.Filter.Provider, d.Filter.User, d.Filter.Credential, d.Filter.Actor} {
		if _, err := path.Match(pattern, ""); err != nil {
			d.Said, d.Filter = &said{Bad: true, Words: strconv.Quote(pattern) + " is not a pattern: * stands for anything but a slash, ? for one character."}, audit.Filter{}
		}
	}
	before, err := strconv.ParseInt(q.Get("before"), 10, 64)
	d.Paged = err == nil && before > 0
	if !d.Paged {
		before = 0
	}
	if err := s.gatherAudit(r, before, &d); err != nil {
		s.showTrouble(w, d.frame, err)
		return
	}
	s.show(w, auditPage, http.StatusOK, d)
}

// gatherAudit reads the records in front of the one numbered before, or the latest if it is 0.
func (s *Server) gatherAudit(r *http.Request, before int64, d *auditData) error {
	head, err := s.o.Audit.AuditHead(r.Context())
	if err != nil {
		return err
	}
	d.Head = head
	if before == 0 || before > head.Seq {
		before = head.Seq + 1
	}
	looks := int64(auditShows)
	if d.Filter.Narrows() {
		looks = auditLooks
	}
	first := max(before-looks, 1)
	err = s.o.Audit.AuditRecords(r.Context(), first-1, func(rec rotator.AuditRecord) error {
		if rec.Seq >= before {
			return errEnough
		}
		if d.Filter.Selects(&rec) {
			d.Records = append(d.Records, auditRowOf(&rec))
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	slices.Reverse(d.Records)
	if len(d.Records) > auditShows {
		d.Records = d.Records[:auditShows]
		first = d.Records[auditShows-1].Seq
	}
	d.links(first)
	return nil
}

func (d *auditData) links(first int64) {
	v := given(map[string]string{"provider": d.Filter.Provider, "user": d.Filter.User, "credential": d.Filter.Credential, "actor": d.Filter.Actor})
	d.First = "/audit?" + v.Encode()
	if first > 1 {
		v.Set("before", strconv.FormatInt(first, 10))
		d.Older = "/audit?" + v.Encode()
	}
}

func auditRowOf(r *rotator.AuditRecord) auditRow {
	c, err := audit.Decode(r.Text)
	if err != nil {
		return auditRow{Seq: r.Seq, At: r.At, Note: "this record cannot be read: " + err.Error()}
	}
	row := auditRow{Seq: r.Seq, At: r.At, Actor: c.Actor, Kind: string(c.Kind), Outcome: string(c.Outcome), To: string(c.To), Note: c.Note,
		CredentialName: CredentialName{Provider: c.Provider, UserID: c.UserID, Credential: c.Credential}}
	if c.Kind == rotator.AuditIncident {
		row.Incident, _, _ = strings.Cut(c.Note, ":")
	}
	return row
}
