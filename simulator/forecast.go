package simulator

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/simulator/world"
)

// Forecast is what the on-call would have seen.
type Forecast struct {
	From        time.Time `json:"from"`
	To          time.Time `json:"to"`
	Credentials int       `json:"credentials"`
	// Rotations were planned in all.
	Rotations int     `json:"rotations"`
	ByDay     []Count `json:"by_day"`
	ByMonth   []Count `json:"by_month"`
	PeakHour  Count   `json:"peak_hour"`
	PeakDay   Count   `json:"peak_day"`
	// Collisions count keys that were due and had to wait, by the reason.
	Collisions []Count `json:"collisions"`
	// Pages count what needs a person, by the reason; PageDays when that was.
	Pages    []Count `json:"pages"`
	PageDays []Count `json:"page_days"`
	// Late counts keys whose successor came after their deadline, or not at all; LateKeys are these, in the order of their deadlines.
	Late     int       `json:"late"`
	LateKeys []LateKey `json:"late_keys"`
	// Margins say how many keys an outage of so many days makes late, if it begins on the worst day for that.
	Margins []Margin `json:"margins"`
	// Outage is what one did that was simulated.
	Outage *OutageForecast  `json:"outage,omitempty"`
	Load   []LoadForecast   `json:"load"`
	Frozen []rotator.Freeze `json:"freezes"`
	// ScanEvery is how often the simulated daemon scanned.
	ScanEvery time.Duration `json:"scan_every_ns"`
	// CredentialYears were simulated in the time Took.
	CredentialYears float64       `json:"credential_years"`
	Took            time.Duration `json:"took_ns"`
}

// Count is a number of something. Label is a day, a month, an hour or a reason.
type Count struct {
	Label string `json:"label"`
	Count int    `json:"count"`
}

// OutageForecast is what an outage of every provider does, beginning on the day after which most keys are at risk.
type OutageForecast struct {
	From time.Time     `json:"from"`
	For  time.Duration `json:"for_ns"`
	// Late counts the keys that passed their deadline in it and would not have without it; LateKeys are these.
	Late     int       `json:"late"`
	LateKeys []LateKey `json:"late_keys"`
}

// LoadForecast holds the busiest minute against the rate limits.
type LoadForecast struct {
	Provider string    `json:"provider"`
	Calls    int       `json:"calls"`
	Peak     int       `json:"peak_per_minute"`
	PeakAt   time.Time `json:"peak_at"`
	// Allowed is the tightest limit, as calls in a minute; 0 for none.
	Allowed int `json:"allowed_per_minute"`
}

// Run simulates the fleet: each provider in a world of its own, because limits and caps are per provider. When ctx
// ends before the forecast is made, the error is ctx's.
func (f *Fleet) Run(ctx context.Context) (*Forecast, error) {
	began := time.Now()
	o, loads, years, err := f.play(ctx, nil)
	if err != nil {
		return nil, err
	}
	r := o.forecast(f)
	r.Load, r.CredentialYears = loads, years
	if f.Outage > 0 {
		from := o.worstStart(f)
		down := &world.Incident{Kind: world.Outage, At: from.Sub(f.From), For: f.Outage}
		with, _, more, err := f.play(ctx, down)
		if err != nil {
			return nil, err
		}
		late := beyond(with.lateKeys(r.To), r.LateKeys)
		r.Outage = &OutageForecast{From: from, For: f.Outage, Late: len(late), LateKeys: late}
		r.CredentialYears += more
	}
	r.Took = time.Since(began)
	return r, nil
}

func (f *Fleet) play(ctx context.Context, outage *world.Incident) (*onlooker, []LoadForecast, float64, error) {
	o := newOnlooker()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var loads []LoadForecast
	var years float64
	var failed error
	for i := range f.Config.Providers {
		s, played := f.scenario(&f.Config.Providers[i], o)
		if !played {
			continue
		}
		if outage != nil {
			s.Incidents = []world.Incident{*outage}
		}
		wg.Go(func() {
			out, err := world.Run(ctx, s)
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
			if err == nil {
				years += out.CredentialYears
				loads = append(loads, loadOf(s, out))
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, nil, 0, err // once, whatever the number of worlds
	}
	slices.SortFunc(loads, func(a, b LoadForecast) int { return cmp.Compare(a.Provider, b.Provider) })
	return o, loads, years, failed
}

func loadOf(s *world.Scenario, o *world.Outcome) LoadForecast {
	l := LoadForecast{Provider: s.Accounts[0].Name, Calls: o.Accounts[0].Calls}
	for minute, n := range o.Accounts[0].ByMinute {
		if n > l.Peak {
			l.Peak, l.PeakAt = n, time.Unix(minute*60, 0).UTC()
		}
	}
	for _, r := range s.Accounts[0].Rates {
		allowed := r.Requests // in a minute: all of a longer window, or as often as a shorter one fits
		if r.Per < time.Minute {
			allowed = int(float64(r.Requests) * float64(time.Minute) / float64(r.Per))
		}
		if l.Allowed == 0 || allowed < l.Allowed {
			l.Allowed = allowed
		}
	}
	return l
}

// onlooker keeps the numbers of a forecast. It hears of several worlds at a time.
type onlooker struct {
	mu         sync.Mutex
	days       map[string]int
	hours      map[string]int
	waiting    map[rotator.CredentialID]rotator.BlockReason
	collisions map[string]int
	pages      map[string]int
	pageDays   map[string]int
	margins    []margin
	open       map[rotator.CredentialID]time.Time // the deadline of what is due and has no successor yet
	late       []LateKey
	rotations  int
}

func newOnlooker() *onlooker {
	return &onlooker{days: map[string]int{}, hours: map[string]int{}, waiting: map[rotator.CredentialID]rotator.BlockReason{}, open: map[rotator.CredentialID]time.Time{},
		collisions: map[string]int{}, pages: map[string]int{}, pageDays: map[string]int{}}
}

// unattended are the blocks that end by themselves.
var unattended = []rotator.BlockReason{"", rotator.BlockHeld, rotator.BlockFrozen, rotator.BlockOutsideWindow}

// Moved implements [world.Watch].
func (o *onlooker) Moved(c rotator.Change, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := &c.After
	now = now.UTC()
	switch {
	case c.Seq == 0:
		o.rotations++
		o.days[now.Format(time.DateOnly)]++
		o.hours[now.Format("2006-01-02 15:00")]++
		delete(o.waiting, r.CredentialID)
		o.open[r.CredentialID] = r.Deadline
	case r.Stage == rotator.StageConfirmed && c.From != r.Stage:
		o.confirmed(r, now)
	}
	if r.Blocked != c.WasBlocked && !r.Stage.Final() {
		o.blocked(r.Blocked, now)
	}
}

func (o *onlooker) blocked(why rotator.BlockReason, now time.Time) {
	if slices.Contains(unattended, why) {
		if why != "" {
			o.collisions[string(why)]++
		}
		return
	}
	o.pages[string(why)]++
	o.pageDays[now.Format(time.DateOnly)]++
}

// Waits implements [world.Watch].
func (o *onlooker) Waits(k rotator.TrackedKey, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.waiting[k.Credential()] == k.Waiting {
		return
	}
	o.waiting[k.Credential()] = k.Waiting
	o.open[k.Credential()] = k.Deadline
	if k.Waiting == rotator.BlockAwaitingApproval {
		o.collisions[string(k.Waiting)]++
		if day := now.UTC().Format(time.DateOnly); o.pageDays["approval "+day] == 0 { // one page for a provider's day, whatever the number of keys
			o.pageDays["approval "+day]++
			o.pages[string(k.Waiting)]++
			o.pageDays[day]++
		}
		return
	}
	o.blocked(k.Waiting, now.UTC())
}

func (o *onlooker) forecast(f *Fleet) *Forecast {
	r := &Forecast{From: f.From, To: f.From.Add(f.Span), Credentials: len(f.Keys), Rotations: o.rotations,
		ByDay: counts(o.days), Collisions: counts(o.collisions), Pages: counts(o.pages), Frozen: f.Freezes, ScanEvery: f.scanEvery(), PeakHour: most(o.hours), PeakDay: most(o.days)}
	months := map[string]int{}
	for d, n := range o.days {
		months[d[:7]] += n
	}
	for d := range o.pageDays {
		if len(d) > len(time.DateOnly) {
			delete(o.pageDays, d)
		}
	}
	r.ByMonth, r.PageDays = counts(months), counts(o.pageDays)
	r.LateKeys = o.lateKeys(r.To)
	r.Late = len(r.LateKeys)
	for _, days := range []int{1, 2, 5, 7, 14, 30} {
		r.Margins = append(r.Margins, o.worst(days))
	}
	return r
}

func counts(m map[string]int) []Count {
	list := make([]Count, 0, len(m))
	for label, n := range m {
		list = append(list, Count{label, n})
	}
	slices.SortFunc(list, func(a, b Count) int { return cmp.Compare(a.Label, b.Label) })
	return list
}

func most(m map[string]int) Count {
	var best Count
	for _, c := range counts(m) {
		if c.Count > best.Count {
			best = c
		}
	}
	return best
}
