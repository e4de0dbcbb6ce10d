package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/audit"
)

// Change is one live change. It says where to look again, not what is there now.
type Change struct {
	Seq        int64     `json:"seq" doc:"The number of the audit record that tells of it."`
	At         time.Time `json:"at"`
	Kind       string    `json:"kind" doc:"The audit record's kind, such as step, hold or breaker."`
	Outcome    string    `json:"outcome"`
	Provider   string    `json:"provider,omitempty"`
	UserID     string    `json:"user_id,omitempty"`
	Credential string    `json:"credential,omitempty"`
	Rotation   string    `json:"rotation,omitempty"`
	Stage      string    `json:"stage,omitempty" doc:"The stage that the rotation reached."`
	Blocked    string    `json:"blocked,omitempty"`
}

const (
	pathEvents = apiPrefix + "/events"

	// mostStreams bounds the streams at once: each holds a connection of the few that there are.
	mostStreams = 64
	// streamLife ends a stream, so that whoever may no longer read is asked again who he is. Clients come back by themselves.
	streamLife = 15 * time.Minute
	// heartbeat keeps proxies from taking a quiet stream for a dead one.
	heartbeat = 15 * time.Second
	// slowest is how long a client may take to read one batch before it is dropped.
	slowest = 10 * time.Second
	// eventBatch is how many changes are read and written at a time.
	eventBatch = 100
	// furthestBehind is how many changes are told one by one; who missed more is told to look at everything.
	furthestBehind = 5000
	// lookForEvents is how often the audit record is looked at while anybody listens. Other replicas write it too, so nobody in
	// this process knows better.
	lookForEvents = 500 * time.Millisecond
)

// ticker wakes everybody who waits for the audit record to grow. Nothing runs while nobody does.
type ticker struct {
	head func(ctx context.Context) (rotator.AuditHead, error)

	mu      sync.Mutex
	waiting int
	stop    context.CancelFunc
	seq     int64
	grown   chan struct{} // closed when seq changes
}

var errTooMany = problem(http.StatusServiceUnavailable, "%d streams of changes are open, which is as many as there may be; close a page, or ask /status from time to time", mostStreams)

// join lets one more wait, until leave is called.
func (t *ticker) join() (leave func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting == mostStreams {
		return nil, errTooMany
	}
	if t.waiting++; t.waiting == 1 {
		ctx, stop := context.WithCancel(context.Background())
		t.stop, t.grown = stop, make(chan struct{})
		go t.run(ctx)
	}
	return sync.OnceFunc(t.leave), nil
}

func (t *ticker) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting--; t.waiting == 0 {
		t.stop()
	}
}

func (t *ticker) run(ctx context.Context) {
	look := time.NewTicker(lookForEvents)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		head, err := t.head(ctx)
		if err != nil {
			continue // the status says so; the next look may succeed
		}
		t.mu.Lock()
		if ctx.Err() == nil && head.Seq != t.seq {
			t.seq = head.Seq
			close(t.grown)
			t.grown = make(chan struct{})
		}
		t.mu.Unlock()
	}
}

// next is closed when the record has grown after this call.
func (t *ticker) next() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.grown
}

func (s *Server) streaming(api huma.API) {
	op := operation(api, http.MethodGet, "/events", "events", "Live changes, as server-sent events",
		"An event named hello comes first, then one named change for each change, whose data is a Change and whose id is its number. With the header "+
			"Last-Event-ID, which browsers send by themselves, the stream goes on where it ended. An event named reset says that too much was missed: look "+
			"at everything again. The stream ends now and then, when the daemon stops, and for a client that does not read; come back then.", http.StatusOK)
	op.Responses["200"] = &huma.Response{Description: "Events until the stream ends.", Content: map[string]*huma.MediaType{"text/event-stream": {
		Schema: api.OpenAPI().Components.Schemas.Schema(changeGoType, true, "Change"),
	}}}
	huma.Register(api, op, s.events)
}

type eventsQuery struct {
	LastEventID int64 `header:"Last-Event-ID" minimum:"0" doc:"The id of the last event that was received; absent or 0 to begin with what happens from now on."`
}

func (s *Server) events(ctx context.Context, q *eventsQuery) (*huma.StreamResponse, error) {
	if s.o.Audit == nil {
		return nil, problem(http.StatusNotFound, "this daemon keeps no audit record, so it has no changes to tell")
	}
	head, err := s.o.Audit.AuditHead(ctx)
	if err != nil {
		return nil, journalProblem(err)
	}
	leave, err := s.ticker.join()
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer leave()
		_, w := humago.Unwrap(hc)
		hc.SetHeader("Content-Type", "text/event-stream")
		hc.SetHeader("X-Accel-Buffering", "no") // or a proxy keeps events to itself
		st := stream{w: w, rc: http.NewResponseController(w), patience: s.patience, audit: s.o.Audit, at: head.Seq}
		st.follow(hc.Context(), s.ticker.next, q.LastEventID)
	}}, nil
}

// stream is one client's. It keeps no queue: what was not written yet is in the audit record.
type stream struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	audit Auditor
	// patience is how long the client may take to read a piece.
	patience time.Duration
	// at is the number of the last record that the client knows of.
	at int64
}

// follow writes until something ends the stream.
func (st *stream) follow(ctx context.Context, next func() <-chan struct{}, last int64) {
	ctx, cancel := context.WithTimeout(ctx, streamLife)
	defer cancel()
	// Outside of a server that bounds writes a client could hold this up for ever.
	if st.rc.SetReadDeadline(time.Time{}) != nil || st.greet(last) != nil {
		return
	}
	stopping, _ := ctx.Value(keyStopping).(<-chan struct{})
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		grown := next() // before the record is read, or what comes in between is missed
		if st.catchUp(ctx) != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-stopping:
			return
		case <-grown:
		case <-beat.C:
			if st.write(": nothing new\n\n") != nil {
				return
			}
		}
	}
}

// greet says where the stream begins. A client from before the record was restored from an older copy is ahead of it, and
// one that missed a lot is faster served by looking at everything.
func (st *stream) greet(last int64) error {
	head := st.at
	switch {
	case last == 0:
		return st.write(fmt.Sprintf("retry: 3000\nid: %d\nevent: hello\ndata: {}\n\n", head))
	case last > head || head-last > furthestBehind:
		return st.write(fmt.Sprintf("retry: 3000\nid: %d\nevent: reset\ndata: {}\n\n", head))
	}
	st.at = last
	return st.write(fmt.Sprintf("retry: 3000\nid: %d\nevent: hello\ndata: {}\n\n", last))
}

// catchUp writes what the client does not know of yet.
func (st *stream) catchUp(ctx context.Context) error {
	for {
		var text []byte
		n, last := 0, st.at
		err := st.audit.AuditRecords(ctx, st.at, func(r rotator.AuditRecord) error {
			if n == eventBatch {
				return errEnough
			}
			n, last = n+1, r.Seq
			text = appendChange(text, &r)
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return err
		}
		if n == 0 {
			return nil
		}
		if err := st.write(string(text)); err != nil {
			return err
		}
		st.at = last
	}
}

// appendChange leaves out what cannot be read: whoever verifies the record says so.
func appendChange(text []byte, r *rotator.AuditRecord) []byte {
	c, err := audit.Decode(r.Text)
	if err != nil {
		return text
	}
	data, err := json.Marshal(Change{Seq: r.Seq, At: r.At.UTC(), Kind: string(c.Kind), Outcome: string(c.Outcome), Provider: c.Provider, UserID: c.UserID,
		Credential: c.Credential, Rotation: c.Rotation, Stage: string(c.To), Blocked: string(c.Blocked)})
	if err != nil {
		return text
	}
	text = append(text, "id: "...)
	text = strconv.AppendInt(text, r.Seq, 10)
	text = append(text, "\nevent: change\ndata: "...)
	return append(append(text, data...), "\n\n"...)
}

// write sends text at once, and fails for a client that does not take it in time.
func (st *stream) write(text string) error {
	if err := st.rc.SetWriteDeadline(time.Now().Add(st.patience)); err != nil {
		return err
	}
	if _, err := st.w.Write([]byte(text)); err != nil {
		return err
	}
	return st.rc.Flush()
}
