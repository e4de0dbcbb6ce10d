package emulator

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"net/http"
)

// ccPageLimit is the largest page and the default one.
const ccPageLimit = 1000

// ccEntry is an element of a list, as JSON and as a row.
type ccEntry interface{ row() []string }

// listWriter sends a list as it goes, so that a list of any length needs no memory of that length.
type listWriter struct {
	w     *bufio.Writer
	json  *json.Encoder
	csv   *csv.Writer
	empty bool
}

// startList begins a list with the member name as JSON, or the header as CSV if that is what the client accepts.
func startList(w http.ResponseWriter, r *http.Request, name string, header []string) *listWriter {
	l := &listWriter{w: bufio.NewWriterSize(w, 32<<10), empty: true}
	if wantsCSV(r) {
		w.Header().Set("Content-Type", "text/csv")
		l.csv = csv.NewWriter(l.w)
		_ = l.csv.Write(header)
		return l
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = l.w.WriteString(`{"` + name + `":[`)
	l.json = json.NewEncoder(l.w)
	return l
}

// add sends an entry. Errors are not looked at: they mean that the client is gone.
func (l *listWriter) add(e ccEntry) {
	if l.csv != nil {
		_ = l.csv.Write(e.row())
		return
	}
	if !l.empty {
		_ = l.w.WriteByte(',')
	}
	l.empty = false
	_ = l.json.Encode(e)
}

// end closes the list, with the page if the list has pages.
func (l *listWriter) end(p *ccPage) *ccError {
	if l.csv != nil {
		l.csv.Flush()
		_ = l.w.Flush()
		return nil
	}
	_ = l.w.WriteByte(']')
	if p != nil {
		text, err := json.Marshal(p)
		if err != nil {
			panic(err) // three numbers
		}
		_, _ = l.w.WriteString(`,"page":`)
		_, _ = l.w.Write(text)
	}
	_ = l.w.WriteByte('}')
	_ = l.w.Flush()
	return nil
}

// ccPage is how a paged list says where it stands.
type ccPage struct {
	Total  int64 `json:"total"`
	Limit  int64 `json:"limit"`
	Offset int64 `json:"offset"`
}

// readPage reads offset and limit. A limit above the maximum is cut down to it, and the answer says so.
func readPage(r *http.Request) (ccPage, *ccError) {
	offset, refusal := queryInt(r, "offset", 0)
	if refusal != nil {
		return ccPage{}, refusal
	}
	limit, refusal := queryInt(r, "limit", ccPageLimit)
	if refusal != nil {
		return ccPage{}, refusal
	}
	if limit == 0 || limit > ccPageLimit {
		limit = ccPageLimit
	}
	return ccPage{Limit: limit, Offset: offset}, nil
}
