package web

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"path"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/audit"
)

// auditReads bounds how many records one request looks at, so that a filter that selects few of many does not read them
// all at once.
const auditReads = 100_000

type auditQuery struct {
	After      int64     `query:"after" minimum:"0" default:"0" doc:"Begin behind the record of this number."`
	Limit      int       `query:"limit" minimum:"1" maximum:"10000" default:"1000" doc:"How many records at most."`
	Since      time.Time `query:"since" doc:"Only records from then on."`
	Until      time.Time `query:"until" doc:"Only records from before."`
	Provider   string    `query:"provider" maxLength:"200" doc:"A pattern for the provider's name."`
	User       string    `query:"user" maxLength:"200" doc:"A pattern for the service user's id or name."`
	Credential string    `query:"credential" maxLength:"200" doc:"A pattern for the base name of the credential's keys."`
	Actor      string    `query:"actor" maxLength:"200" doc:"A pattern for who did it; the daemon's own acts have no actor."`
}

func (q *auditQuery) filter() audit.Filter {
	return audit.Filter{Since: q.Since, Until: q.Until, Provider: q.Provider, User: q.User, Credential: q.Credential, Actor: q.Actor}
}

func (s *Server) auditing(api huma.API) {
	op := operation(api, http.MethodGet, "/audit", "audit", "The audit record, a page at a time",
		"What was decided and done, by whom: a JSON object on each line, the oldest first, in the form that rotatord audit verify reads. The last "+
			"line says where the page ends, and with more whether to go on from there; an answer that ends without one is not complete. Answers that are "+
			"filtered hold true records, but cannot show that none is missing.", http.StatusOK)
	op.Responses["200"] = &huma.Response{Description: "One record on each line.", Content: map[string]*huma.MediaType{reportType: {
		Schema: &huma.Schema{Type: huma.TypeObject, Description: "A record, or the end.", AdditionalProperties: true},
	}}}
	huma.Register(api, op, s.audit)
}

func (s *Server) audit(ctx context.Context, q *auditQuery) (*huma.StreamResponse, error) {
	if s.o.Audit == nil {
		return nil, problem(http.StatusNotFound, "this daemon keeps no audit record")
	}
	for _, pattern := range []string{q.Provider, q.User, q.Credential, q.Actor} {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, problem(http.StatusUnprocessableEntity, "%q is not a pattern: * stands for anything but a slash, ? for one character", pattern)
		}
	}
	head, err := s.o.Audit.AuditHead(ctx)
	if err != nil {
		return nil, journalProblem(err)
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		_, w := humago.Unwrap(hc)
		hc.SetHeader("Content-Type", reportType)
		if err := s.auditPage(ctx, q, head, w); err != nil {
			s.log.Info("an answer with audit records was cut short", zap.Error(err))
		}
	}}, nil
}

// auditPage writes one page: up to the record that was the last when it was asked for, so that it ends.
func (s *Server) auditPage(ctx context.Context, q *auditQuery, head rotator.AuditHead, w http.ResponseWriter) error {
	out := bufio.NewWriterSize(w, lineBuffer)
	filter := q.filter()
	end := audit.End{Filtered: filter.Narrows()}
	var line []byte
	read, given := 0, 0
	err := s.o.Audit.AuditRecords(ctx, q.After, func(r rotator.AuditRecord) error {
		if r.Seq > head.Seq {
			return errEnough
		}
		if given == q.Limit || read == auditReads {
			end.More = true
			return errEnough
		}
		read++
		end.AuditHead = rotator.AuditHead{Seq: r.Seq, Hash: r.Hash}
		if !filter.Selects(&r) {
			return nil
		}
		given++
		line = audit.AppendLine(line[:0], &r)
		_, err := out.Write(line)
		return err
	})
	switch {
	case err != nil && !errors.Is(err, errEnough):
		end.Error = journalTrouble(err)
	case !end.More:
		end.AuditHead, err = head, nil // which shows what is missing from the end
	default:
		err = nil
	}
	line, encoded := audit.AppendEnd(line[:0], end)
	_, wrote := out.Write(line)
	return errors.Join(err, encoded, wrote, out.Flush())
}
