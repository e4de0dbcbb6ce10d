package simulator

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/simulator/oracle"
	"github.com/rotatord/rotatord/simulator/world"
)

const day = 24 * time.Hour

// epoch is when every scenario begins, give or take half a year: late enough for a clock to be set back by months.
var epoch = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)

// Draw makes a scenario of a seed: the same one each time.
func Draw(seed uint64) *world.Scenario {
	d := drawOf(seed, 0x5eed)
	s := &world.Scenario{
		Seed: seed, Start: epoch.Add(d.span(0, 60*day)), Span: d.span(16*day, 36*day), Calm: 8 * day,
		Look: d.span(30*time.Minute, 6*time.Hour), Scan: fmt.Sprintf("%d */%d * * *", d.IntN(60), 1+d.IntN(6)),
		Limits: rotator.CapLimits{MaxShare: 0.2, AlwaysAllowed: 2 + d.IntN(4)}, HaltAfter: 3 + d.IntN(5), Concurrent: 1 + d.IntN(4),
		Odds: d.odds(),
	}
	for i := range 1 + d.IntN(2) {
		s.Accounts = append(s.Accounts, d.account(i))
	}
	for i := range 1 + d.IntN(3) {
		k := world.Sink{Name: fmt.Sprintf("sink%d", i)}
		if d.chance(0.2) {
			k.Lag = d.span(time.Second, 20*time.Minute)
		}
		s.Sinks = append(s.Sinks, k)
	}
	for i := range s.Accounts {
		s.Policies = append(s.Policies, d.policy(i, s))
	}
	for i := range 2 + d.IntN(6) {
		s.Credentials = append(s.Credentials, d.credential(i, s))
	}
	if d.chance(0.3) {
		s.Replicas = 2
	}
	for range d.IntN(14) {
		s.Incidents = append(s.Incidents, d.incident(s))
	}
	further := drawOf(seed, 0xd3111)
	further.drills(s)
	further.hook(s)
	drawOf(seed, 0xc10c4).clock(s)
	drawOf(seed, 0x2c10c4).apart(s)
	drawOf(seed, 0xb1275).births(s)
	return s
}

// drills has credentials of some accounts drilled by the calendar, on two days of the week. What is drawn here and in [draw.hook] is not drawn with the rest, so that
// the other things that a seed stands for do not depend on it.
func (d *draw) drills(s *world.Scenario) {
	for i := range s.Accounts {
		if !d.chance(0.3) {
			continue
		}
		w := world.Drill{Account: i, Plain: oracle.Window{From: d.IntN(12), Hours: 3 + d.IntN(9)}, DrillSchedule: rotator.DrillSchedule{
			Name: fmt.Sprintf("drill%d", i), Match: rotator.Match{Providers: []string{s.Accounts[i].Name}, Keys: []string{"key*"}}, Limit: 1 + d.IntN(2)}}
		first := d.IntN(7)
		second := (first + 3) % 7
		w.Plain.Days[first], w.Plain.Days[second] = true, true
		w.Window = rotator.Window{Opens: daily(w.Plain.From, fmt.Sprintf("%d,%d", first, second)), For: time.Duration(w.Plain.Hours) * time.Hour}
		s.Drills = append(s.Drills, w)
	}
}

// hook has consumers told of new keys, and lets most policies require that.
func (d *draw) hook(s *world.Scenario) {
	if !d.chance(0.4) {
		return
	}
	s.Hook = &world.Hook{Name: "listener", Debounce: d.span(0, 2*time.Minute)}
	for i := range s.Policies {
		if p := &s.Policies[i]; d.chance(0.8) {
			p.RequiredHooks = []string{s.Hook.Name}
		} else {
			p.Hooks = []string{s.Hook.Name}
		}
	}
	for _, f := range world.HookFaults() {
		s.Odds[f] = d.Float64() * 0.4
	}
	for range d.IntN(3) {
		i := world.Incident{Kind: world.HookOutage, At: d.span(time.Hour, s.Span-s.Calm-time.Hour), For: d.span(time.Hour, 48*time.Hour)}
		d.aim(&i, s)
		s.Incidents = append(s.Incidents, i)
	}
}

// clock has the daemon's clock set while it runs, in some worlds.
func (d *draw) clock(s *world.Scenario) {
	if d.chance(0.3) {
		d.setClocks(s, world.Incident{Kind: world.ClockSet})
	}
}

// births has service users declared, in some accounts, that are not there yet. Where keys are not listed a declaration names them.
func (d *draw) births(s *world.Scenario) {
	for i, a := range s.Accounts {
		if a.System == world.DataspotBlind || !d.chance(0.35) {
			continue
		}
		for n := range 1 + d.IntN(2) {
			p, name := s.Policies[i], fmt.Sprintf("born-%d-%d", i, n)
			s.Credentials = append(s.Credentials, world.Credential{Account: i, User: name, Base: "key-" + name, Unborn: true,
				Consumers: []world.Consumer{{Every: d.span(time.Hour, 6*time.Hour), Cache: d.span(time.Minute, p.Grace*8/10)}}})
			s.Incidents = append(s.Incidents, world.Incident{Kind: world.Declare, At: d.span(time.Hour, s.Span-s.Calm-time.Hour), Target: len(s.Credentials) - 1})
		}
	}
}

// apart has the clock of one replica set, and not the other one's, in some worlds.
func (d *draw) apart(s *world.Scenario) {
	if s.Replicas > 1 && d.chance(0.5) {
		d.setClocks(s, world.Incident{Kind: world.ReplicaClock, Target: d.IntN(s.Replicas)})
	}
}

// setClocks sets clocks once or twice, by minutes or by weeks, and often right again some time later.
func (d *draw) setClocks(s *world.Scenario, like world.Incident) {
	for range 1 + d.IntN(2) {
		i := like
		i.By = d.span(time.Second, []time.Duration{10 * time.Minute, 12 * time.Hour, 2 * day, 40 * day}[d.IntN(4)])
		if d.chance(0.5) {
			i.By = -i.By
		}
		i.At = d.span(time.Hour, s.Span-s.Calm-time.Hour)
		d.aim(&i, s)
		s.Incidents = append(s.Incidents, i)
		back := i
		back.At, back.By = i.At+d.span(time.Minute, 2*day), -i.By
		if back.At < s.Span-s.Calm && d.chance(0.7) {
			s.Incidents = append(s.Incidents, back)
		}
	}
}

type draw struct{ *rand.Rand }

// drawOf begins one of the sequences of a seed. What is drawn from one does not depend on the others.
func drawOf(seed, sequence uint64) *draw {
	return &draw{rand.New(rand.NewPCG(seed, sequence))} //nolint:gosec // replayable by design
}

func (d *draw) chance(p float64) bool { return d.Float64() < p }

func (d *draw) span(from, to time.Duration) time.Duration {
	return from + time.Duration(d.Int64N(int64(to-from))).Round(time.Second)
}

// odds draws a climate: many worlds know few kinds of fault and those often, some know all of them, some none.
func (d *draw) odds() map[world.Fault]float64 {
	odds := map[world.Fault]float64{}
	kinds := []float64{0, 0.15, 0.4, 1}[d.IntN(4)]
	worst := []float64{0.005, 0.02, 0.08, 0.2}[d.IntN(4)]
	for _, f := range world.Faults() {
		if !slices.Contains(world.HookFaults(), f) && d.chance(kinds) {
			odds[f] = d.Float64() * worst
		}
	}
	return odds
}

func (d *draw) account(i int) world.Account {
	a := world.Account{Name: fmt.Sprintf("acc%d", i), Propagation: time.Minute, MaxKeys: []int{0, 2, 2, 3}[d.IntN(4)]}
	a.System = []world.System{world.CertCentral, world.CertCentral, world.CertCentral, world.DigiCertOne, world.DigiCertOne, world.Dataspot, world.DataspotBlind}[d.IntN(7)]
	late := func() time.Duration {
		if d.chance(0.5) {
			return 0
		}
		return d.span(time.Second, a.Propagation-10*time.Second)
	}
	a.RefusedFor, a.ListedAfter, a.RevokedFor = late(), late(), late()
	if a.System == world.CertCentral {
		a.UsedLag = []time.Duration{0, time.Hour, 3 * time.Hour}[d.IntN(3)]
		a.Strangers = d.IntN(2) * (4 + d.IntN(8))
	}
	return a
}

// policy is one for the account of that index. Its times fit into renew_before, as the configuration demands.
func (d *draw) policy(i int, s *world.Scenario) world.Policy {
	p := world.Policy{Policy: rotator.Policy{
		Name: fmt.Sprintf("policy%d", i), Match: rotator.Match{Providers: []string{s.Accounts[i].Name}, Keys: []string{"key*"}},
		MaxAge: d.span(4*day, 12*day), Grace: d.span(3*time.Hour, 20*time.Hour), Idle: d.span(8*time.Hour, 14*time.Hour), Soak: d.span(0, 5*time.Hour),
		Jitter: d.Float64() * 0.2,
	}}
	p.RenewBefore = p.Grace + p.Idle + p.Soak + d.span(12*time.Hour, 36*time.Hour)
	p.Lifetime = p.MaxAge + d.span(day, 30*day)
	if s.Accounts[i].System == world.DigiCertOne && d.chance(0.2) {
		p.Extend = true
	}
	for k := range s.Sinks {
		if k == 0 || d.chance(0.6) {
			p.Sinks = append(p.Sinks, s.Sinks[k].Name)
		}
	}
	if d.chance(0.3) {
		d.window(&p)
	}
	return p
}

func (d *draw) window(p *world.Policy) {
	w := &oracle.Window{From: d.IntN(12), Hours: 4 + d.IntN(8)}
	days := "*"
	for i := range w.Days {
		w.Days[i] = true
	}
	if d.chance(0.5) {
		w.Days, days = [7]bool{1: true, 2: true, 3: true, 4: true, 5: true}, "1-5"
	}
	p.Window, p.Plain = &rotator.Window{Opens: daily(w.From, days), For: time.Duration(w.Hours) * time.Hour}, w
}

// daily is a schedule that fires at an hour of those days of the week.
func daily(hour int, days string) rotator.Schedule {
	s, err := rotator.ParseSchedule(fmt.Sprintf("0 %d * * %s", hour, days), "")
	if err != nil {
		panic(err) // five fields within their bounds
	}
	return s
}

func (d *draw) credential(i int, s *world.Scenario) world.Credential {
	at := d.IntN(len(s.Accounts))
	p := s.Policies[at]
	c := world.Credential{Account: at, User: fmt.Sprintf("ci-%d", i), Base: fmt.Sprintf("key%d", i), Age: d.span(0, p.MaxAge-p.RenewBefore), Lifetime: p.Lifetime}
	for range 1 + d.IntN(2) {
		sink := d.IntN(len(s.Sinks))
		if s.Sinks[sink].Name != p.Sinks[0] {
			sink = 0
		}
		k := world.Consumer{Sink: sink, Every: d.span(time.Hour, 6*time.Hour), Cache: d.span(time.Minute, p.Grace*8/10)}
		if s.Accounts[at].System == world.CertCentral && d.chance(0.3) {
			// It keeps its key too long, and is seen at the provider: often enough for a policy that looks at the last use.
			k.Patient, k.Cache, k.Every = true, p.Grace+d.span(0, day), d.span(time.Hour, max(2*time.Hour, (p.Idle-s.Accounts[at].UsedLag)/2))
		}
		c.Consumers = append(c.Consumers, k)
	}
	c.Cursed = d.chance(0.05)
	return c
}

// incident draws one. What lasts, lasts from minutes to days.
func (d *draw) incident(s *world.Scenario) world.Incident {
	kinds := []world.Kind{world.Crash, world.Crash, world.Crash, world.Crash, world.Crash, world.Restart, world.ClockJump, world.Outage, world.Refusal, world.SinkOutage, world.FullDisk,
		world.Hold, world.Hold, world.Release, world.Rotate, world.Rotate, world.Compromise, world.StartOver, world.Approve, world.Reload, world.Reload,
		world.Overwrite, world.Wipe, world.Restore, world.MakeKey, world.RemoveKey, world.SecondDaemon, world.Undo, world.Stall, world.Stall, world.CutOff}
	if s.Replicas > 1 && d.chance(0.3) { // what one of two suffers, the other one has to make up for
		kinds = []world.Kind{world.Crash, world.Restart, world.Stall, world.CutOff}
	}
	i := world.Incident{Kind: kinds[d.IntN(len(kinds))], At: d.span(time.Hour, s.Span-s.Calm-time.Hour), Sink: d.IntN(len(s.Sinks))}
	switch i.Kind {
	case world.Crash:
		i.Nth = 1 + d.IntN(60)
	case world.ClockJump:
		i.By = d.span(time.Minute, 2*day)
		if d.chance(0.5) {
			i.By = -i.By
		}
	case world.FullDisk:
		i.For = d.span(time.Minute, 6*time.Hour)
	case world.Hold, world.Undo:
		i.For = d.span(time.Hour, 6*day)
	case world.Stall, world.CutOff:
		i.Nth, i.For = 1+d.IntN(60), d.span(time.Minute, 12*time.Hour)
	case world.Reload:
		if d.chance(0.5) {
			i.For = d.span(time.Hour, 3*day)
		}
	case world.Restart, world.Outage, world.Refusal, world.SinkOutage:
		i.For = d.span(time.Minute, 36*time.Hour)
	default:
	}
	switch i.Kind.About() {
	case world.AboutAccount:
		i.Target = d.IntN(len(s.Accounts))
	case world.AboutSink:
		i.Target = d.IntN(len(s.Sinks))
	case world.AboutReplica:
		i.Target = d.IntN(max(1, s.Replicas))
	case world.AboutCredential:
		i.Target = d.IntN(len(s.Credentials))
	default:
	}
	if i.Kind.About() == world.AboutCredential || d.chance(0.3) {
		d.aim(&i, s)
	}
	return i
}

// aim moves most incidents into a rotation of their credential, or of any: between two of them there is little to break.
func (d *draw) aim(i *world.Incident, s *world.Scenario) {
	if d.chance(0.25) {
		return
	}
	at := i.Target
	if i.Kind.About() != world.AboutCredential {
		at = d.IntN(len(s.Credentials))
	}
	c := s.Credentials[at]
	p := s.Policies[c.Account]
	cycle := p.MaxAge - p.RenewBefore
	due := cycle - c.Age
	last := s.Span - s.Calm - time.Hour
	for next := due + cycle; next < last && d.chance(0.5); next += cycle {
		due = next
	}
	i.At = min(max(time.Hour, due+d.span(0, p.RenewBefore)), last)
}
