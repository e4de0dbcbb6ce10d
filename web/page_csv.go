package web

import (
	"context"
	"encoding/csv"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/sheet"
)

const pathFleetCSV = "/fleet.csv"

// csvReads is how many credentials are read at once.
const csvReads = 1000

// fleetCSV answers with every key that the fleet page would show, on all its pages. An answer that is cut short ends the
// connection, so that no half of a fleet is taken for the whole.
func (s *Server) fleetCSV(w http.ResponseWriter, r *http.Request) {
	d := fleetAsked(r)
	d.Now = time.Now().UTC()
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="rotatord-keys.csv"`)
	out := csv.NewWriter(w)
	err := out.Write([]string{"provider", "user_id", "service_user", "credential", "key_id", "key_name", "state", "blocked", "policy", "created", "deadline", "expires", "last_used"})
	if err == nil {
		err = s.everyRow(r.Context(), &d, func(row *fleetRow) error { return out.Write(row.record()) })
	}
	out.Flush()
	if err != nil || out.Error() != nil {
		s.log.Info("a list of keys was cut short", zap.Error(err), zap.NamedError("write", out.Error()))
		panic(http.ErrAbortHandler)
	}
}

// everyRow calls fn for each credential, page by page, so that no read of the journal lasts as long as a slow reader.
func (s *Server) everyRow(ctx context.Context, d *fleetData, fn func(*fleetRow) error) error {
	q := s.fleetSearch(d)
	q.Limit = csvReads
	for {
		page, err := s.o.Journal.FleetCredentials(ctx, q, d.Now)
		if err != nil {
			return err
		}
		for _, c := range page.Credentials {
			row := rowOf(c)
			if err := fn(&row); err != nil {
				return err
			}
			q.After = c.Key.Credential()
		}
		if !page.More {
			return nil
		}
	}
}

func (r *fleetRow) record() []string {
	cells := []string{r.Provider, r.UserID, r.UserName, r.Credential.Credential, r.Key.ID, r.Key.Name, r.Words(), r.Stopped, r.Policy}
	for i := range cells {
		cells[i] = sheet.Cell(cells[i])
	}
	for _, t := range []time.Time{r.Created, r.Deadline, r.Expires, r.LastUsed} {
		cell := ""
		if !t.IsZero() {
			cell = t.UTC().Format(time.RFC3339)
		}
		cells = append(cells, cell)
	}
	return cells
}
