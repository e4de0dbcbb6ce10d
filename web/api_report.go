package web

import (
	"bufio"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// reportType is what a stream of JSON values is called, one on each line.
const reportType = "application/jsonl"

var reportLineType = reflect.TypeFor[ReportLine]()

// ReportedKey is a key with what a report says of it.
type ReportedKey struct {
	CredentialName
	User         ReportedUser      `json:"user"`
	Key          KeyName           `json:"key"`
	Class        string            `json:"class" enum:"gone,expired,inactive,orphaned,unmanaged,held,managed" doc:"The one that fits first: gone (revoked, or not listed any more), expired, inactive (disabled), orphaned (nobody has its secret), unmanaged (no policy selects it), held, managed."`
	Findings     []ReportFinding   `json:"findings" nullable:"false" doc:"What is to be said against it."`
	State        string            `json:"state" enum:"active,disabled,revoked,expired,other" doc:"What the provider says of it."`
	Created      time.Time         `json:"created,omitzero"`
	AgeDays      *int              `json:"age_days,omitempty" doc:"Whole days since it was made; absent where the provider does not say when."`
	Expires      time.Time         `json:"expires,omitzero" doc:"Absent for a key that never expires."`
	LastUsed     time.Time         `json:"last_used,omitzero" doc:"Absent if it was never used, or the provider does not say."`
	ReportsUse   bool              `json:"reports_use" doc:"Whether the provider says when keys were used: if not, an absent last_used says nothing."`
	Policy       string            `json:"policy,omitempty" doc:"The policy that selects it; absent if nobody rotates it."`
	Labels       map[string]string `json:"labels,omitempty" doc:"The provider's and the policy's labels in the configuration: whose it is."`
	Deadline     time.Time         `json:"deadline,omitzero" doc:"When the key must be gone."`
	NextRotation time.Time         `json:"next_rotation,omitzero" doc:"When its rotation starts, or should have; absent for a key that is gone, or whose place a newer one has taken."`
	Hold         *ReportedHold     `json:"hold,omitempty" doc:"The hold that is in force."`
	Rotating     *ReportedRotation `json:"rotating,omitempty" doc:"The credential's rotation that is under way."`
	LastRotation *ReportedRotation `json:"last_rotation,omitempty" doc:"The credential's rotation that ended last."`
	Evidence     []Evidence        `json:"evidence" nullable:"false" doc:"The sinks that were read back and held this very key."`
	MissingSince time.Time         `json:"missing_since,omitzero" doc:"When a complete scan first did not show it; absent while it is seen."`
}

// ReportedUser is the service user that a key belongs to.
type ReportedUser struct {
	Name   string `json:"name,omitempty"`
	Email  string `json:"email,omitempty"`
	Login  string `json:"login,omitempty"`
	Active bool   `json:"active" doc:"Whether it can sign in."`
	Listed bool   `json:"listed" doc:"Whether the last complete scan showed it."`
}

// ReportFinding is something to be said against a key.
type ReportFinding struct {
	Kind string `json:"kind" enum:"no_expiry,too_old,unused,never_used,inactive_user,unknown_user,superseded,observe_only,not_moving"`
	Why  string `json:"why"`
}

// ReportedHold is an operator's hold.
type ReportedHold struct {
	By     string    `json:"by"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
}

// ReportedRotation is a rotation in short.
type ReportedRotation struct {
	ID      string    `json:"id"`
	Stage   string    `json:"stage" doc:"How it ended, done or abandoned, or where it stands."`
	At      time.Time `json:"at" doc:"Since when it is in that stage."`
	Blocked string    `json:"blocked,omitempty" doc:"Why it does not go on by itself."`
	Why     string    `json:"why,omitempty" doc:"How it ended, or what stands against it."`
}

// Evidence is one sink that was read back and held the key.
type Evidence struct {
	Sink     string    `json:"sink"`
	Location string    `json:"location"`
	At       time.Time `json:"at" doc:"When it was read back."`
}

// Keys is a page of keys.
type Keys struct {
	Keys []ReportedKey `json:"keys" nullable:"false"`
	Next string        `json:"next,omitempty" doc:"The cursor of the next page; absent if there is none."`
}

// ReportLine is one line of a report: a key, or, last of all, the summary or the reason why there is none.
type ReportLine struct {
	Key     *ReportedKey   `json:"key,omitempty"`
	Summary *ReportSummary `json:"summary,omitempty" doc:"The last line of a report that is complete."`
	Error   string         `json:"error,omitempty" doc:"Why the report is not complete: the last line then."`
}

// ReportSummary counts what a report holds.
type ReportSummary struct {
	GeneratedAt time.Time      `json:"generated_at" doc:"The daemon's clock when it began: ages are counted to then."`
	Version     string         `json:"version" doc:"The daemon's."`
	UnusedFor   string         `json:"unused_for" doc:"Since when a key must not have been used to count as unused."`
	Keys        int            `json:"keys"`
	Classes     map[string]int `json:"classes" doc:"Keys of each class."`
	Findings    map[string]int `json:"findings" doc:"Keys with each finding; a key can have several."`
	By          string         `json:"by,omitempty" doc:"The label that groups are made by."`
	Groups      []ReportGroup  `json:"groups,omitempty" doc:"The same counts for each value of that label, in its order; the keys without it come last."`
}

// ReportGroup counts the keys that have one value of a label.
type ReportGroup struct {
	Value    string         `json:"value,omitempty" doc:"Absent for the keys that do not have the label."`
	Keys     int            `json:"keys"`
	Against  int            `json:"against" doc:"Keys with at least one finding."`
	Classes  map[string]int `json:"classes" doc:"Keys of each class."`
	Findings map[string]int `json:"findings" doc:"Keys with each finding; a key can have several."`
}

// ReportFilter narrows a report, and what counts as unused in it.
type ReportFilter struct {
	Provider  string   `query:"provider" maxLength:"200" doc:"The provider's name."`
	Policy    string   `query:"policy" maxLength:"200" doc:"The policy's name."`
	Class     []string `query:"class" enum:"gone,expired,inactive,orphaned,unmanaged,held,managed" doc:"Classes, any of which a key must be of."`
	Finding   []string `query:"finding" enum:"no_expiry,too_old,unused,never_used,inactive_user,unknown_user,superseded,observe_only,not_moving" doc:"Findings, any of which a key must have."`
	Label     []string `query:"label" maxItems:"20" example:"team=pki" doc:"Labels written name=value, any of which a key must have. A name with nothing behind the equals sign is for keys without it."`
	UnusedFor string   `query:"unused_for" default:"2160h" example:"720h" doc:"Since when a key must not have been used to count as unused: units h, m and s."`
}

type keysQuery struct {
	ReportFilter
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most."`
	Cursor string `query:"cursor" maxLength:"2000" doc:"The next of the page before."`
}

type reportQuery struct {
	ReportFilter
	By string `query:"by" maxLength:"200" example:"team" doc:"The name of a label: the summary also counts by its values."`
}

func (s *Server) reporting(api huma.API) {
	huma.Register(api, operation(api, http.MethodGet, "/keys", "list-keys", "List keys with what is to be said against them",
		"Every key that scans saw, in the order of provider and id, a page at a time.", http.StatusOK), s.listKeys)
	report := operation(api, http.MethodGet, "/report", "report", "Report every key",
		"The same keys in one answer: a JSON object on each line. The last line is the summary; an answer that ends without one is not complete.", http.StatusOK)
	line := api.OpenAPI().Components.Schemas.Schema(reportLineType, true, "ReportLine")
	report.Responses["200"] = &huma.Response{Description: "One object on each line.", Content: map[string]*huma.MediaType{reportType: {Schema: line}}}
	huma.Register(api, report, s.report)
}

// walk calls fn for each key that the filter selects, from the cursor on.
func (s *Server) walk(ctx context.Context, f *ReportFilter, after rotator.KeyCursor, now time.Time, fn func(ReportedKey) error) error {
	unusedFor, err := f.unusedFor()
	if err != nil {
		return err
	}
	labels, err := f.labels()
	if err != nil {
		return err
	}
	q := rotator.KeyQuery{Provider: f.Provider, Policy: f.Policy, After: after}
	for _, c := range f.Class {
		q.Classes = append(q.Classes, rotator.Class(c))
	}
	report := rotator.Report{View: s.o.Journal, Settings: s.o.KeySettings, Limits: rotator.ReportLimits{UnusedFor: unusedFor}}
	return report.Keys(ctx, q, now, func(facts rotator.KeyFacts, class rotator.Class, found []rotator.Finding) error {
		if !f.wants(found) || !anyLabel(labels, facts.Settings.Labels) {
			return nil
		}
		return fn(reportedOf(&facts, class, found, now))
	})
}

func (f *ReportFilter) unusedFor() (time.Duration, error) {
	if f.UnusedFor == "" {
		return rotator.DefaultUnusedFor, nil
	}
	d, err := time.ParseDuration(f.UnusedFor)
	if err != nil || d <= 0 {
		return 0, problem(http.StatusUnprocessableEntity, "unused_for is %q; write a time above zero such as 720h", f.UnusedFor)
	}
	return d, nil
}

// labels are the pairs of a name and a value that the filter wants, any of them.
func (f *ReportFilter) labels() ([][2]string, error) {
	var pairs [][2]string
	for _, text := range f.Label {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, problem(http.StatusUnprocessableEntity, "label is %q; write name=value, as in team=pki, or team= for keys without one", text)
		}
		pairs = append(pairs, [2]string{name, value})
	}
	return pairs, nil
}

// anyLabel reports whether some pair is a key's. A label that it does not have is empty.
func anyLabel(pairs [][2]string, has map[string]string) bool {
	return len(pairs) == 0 || slices.ContainsFunc(pairs, func(p [2]string) bool { return has[p[0]] == p[1] })
}

func (f *ReportFilter) wants(found []rotator.Finding) bool {
	return len(f.Finding) == 0 || slices.ContainsFunc(found, func(one rotator.Finding) bool { return slices.Contains(f.Finding, string(one.Kind)) })
}

func (s *Server) listKeys(ctx context.Context, q *keysQuery) (*answer[Keys], error) {
	after, err := cursorOf(q.Cursor)
	if err != nil {
		return nil, err
	}
	out := Keys{Keys: []ReportedKey{}}
	err = s.walk(ctx, &q.ReportFilter, after, time.Now().UTC(), func(k ReportedKey) error {
		if len(out.Keys) == q.Limit {
			last := &out.Keys[q.Limit-1]
			out.Next = cursor(last.Provider, last.Key.ID)
			return errEnough
		}
		out.Keys = append(out.Keys, k)
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, reportProblem(err)
	}
	return &answer[Keys]{Body: out}, nil
}

// reportProblem leaves problems with the question as they are.
func reportProblem(err error) error {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	return journalProblem(err)
}

// cursor is opaque to clients, so that what it holds can change.
func cursor(provider, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(provider + "\x00" + id))
}

func cursorOf(text string) (rotator.KeyCursor, error) {
	if text == "" {
		return rotator.KeyCursor{}, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	provider, id, ok := strings.Cut(string(b), "\x00")
	if err != nil || !ok {
		return rotator.KeyCursor{}, problem(http.StatusUnprocessableEntity, "the cursor is none that a page had as its next; begin again without one")
	}
	return rotator.KeyCursor{Provider: provider, ID: id}, nil
}

// report answers with a stream. What can be wrong with the question, and a journal that does not answer, are found before
// it begins; later it can only be cut short, which its last line then says.
func (s *Server) report(ctx context.Context, q *reportQuery) (*huma.StreamResponse, error) {
	_, badSpan := q.unusedFor()
	_, badLabel := q.labels()
	if err := cmp.Or(badSpan, badLabel); err != nil {
		return nil, err
	}
	answers := rotator.KeyQuery{Limit: 1, Brief: true}
	if err := s.o.Journal.ReportKeys(ctx, answers, time.Now(), func(rotator.KeyFacts) error { return nil }); err != nil {
		return nil, journalProblem(err)
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		_, w := humago.Unwrap(hc)
		hc.SetHeader("Content-Type", reportType)
		if err := s.stream(ctx, q, newLines(w)); err != nil {
			s.log.Info("a report was cut short", zap.Error(err))
		}
	}}, nil
}

func (s *Server) stream(ctx context.Context, q *reportQuery, out *lines) error {
	now := time.Now().UTC()
	sum := newSummary(q, now, s.o.Version)
	err := s.walk(ctx, &q.ReportFilter, rotator.KeyCursor{}, now, func(k ReportedKey) error {
		sum.add(&k)
		return out.write(ReportLine{Key: &k})
	})
	sum.sortGroups()
	last := ReportLine{Summary: sum}
	if err != nil {
		last = ReportLine{Error: journalTrouble(err)}
	}
	return errors.Join(err, out.write(last), out.flush())
}

// lines writes JSON, one value on each line, to a client that may be slow: it has the usual time for each few hundred
// lines, not for all of them.
type lines struct {
	conn *http.ResponseController
	buf  *bufio.Writer
	json *json.Encoder
	n    int
}

const (
	lineBuffer = 64 << 10
	lineBatch  = 500
)

func newLines(w http.ResponseWriter) *lines {
	buf := bufio.NewWriterSize(w, lineBuffer)
	return &lines{conn: http.NewResponseController(w), buf: buf, json: json.NewEncoder(buf)}
}

func (l *lines) write(line ReportLine) error {
	if l.n++; l.n%lineBatch == 1 {
		_ = l.conn.SetWriteDeadline(time.Now().Add(answerTime)) // without deadlines there is none to move
	}
	return l.json.Encode(line)
}

func (l *lines) flush() error { return l.buf.Flush() }

func reportedOf(f *rotator.KeyFacts, class rotator.Class, found []rotator.Finding, now time.Time) ReportedKey {
	k := &f.Key
	out := ReportedKey{
		CredentialName: nameOf(k.Credential()), Key: KeyName{ID: k.ID, Name: k.Name}, Class: string(class), State: string(k.State),
		User:    ReportedUser{Name: f.User.Name, Email: f.User.Email, Login: f.User.Login, Active: f.User.Active, Listed: f.UserListed},
		Created: k.Created, AgeDays: ageDays(k.Created, now), Expires: k.Expires, LastUsed: k.LastUsed,
		ReportsUse: f.Settings.ReportsLastUse, Policy: k.Policy, Labels: f.Settings.Labels, Deadline: k.Deadline, NextRotation: k.Due,
		Rotating: reportedRotation(f.Open), LastRotation: reportedRotation(f.Last), MissingSince: k.MissingSince,
		Findings: make([]ReportFinding, 0, len(found)), Evidence: make([]Evidence, 0, len(f.Evidence)),
	}
	for _, one := range found {
		out.Findings = append(out.Findings, ReportFinding{Kind: string(one.Kind), Why: one.Why})
	}
	for _, e := range f.Evidence {
		out.Evidence = append(out.Evidence, Evidence(e))
	}
	if class == rotator.ClassGone || f.Newer.ID != "" {
		out.NextRotation = time.Time{} // it was due once, or would have been; nothing follows
	}
	if f.Hold != nil {
		out.Hold = &ReportedHold{By: f.Hold.By, Until: f.Hold.Until, Reason: f.Hold.Reason}
	}
	return out
}

func reportedRotation(n *rotator.RotationNote) *ReportedRotation {
	if n == nil {
		return nil
	}
	return &ReportedRotation{ID: n.ID, Stage: string(n.Stage), At: n.At, Blocked: string(n.Blocked), Why: n.Why}
}

// ageDays is nil for a key whose creation nobody knows, and 0 for one that a clock ahead of ours made.
func ageDays(created, now time.Time) *int {
	if created.IsZero() {
		return nil
	}
	d := max(0, int(now.Sub(created)/(24*time.Hour)))
	return &d
}
