package mutants

import (
	"fmt"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/simulator/oracle"
	"github.com/rotatord/rotatord/simulator/world"
)

const (
	hour = time.Hour
	day  = 24 * hour
)

// rotates is when a person asks for a second rotation in the worlds of this file: the first one is over for days.
const rotates = 5 * day

// quiet is a world of one account, one sink and one key in which nothing goes wrong: its key is replaced on the second day.
func quiet() *world.Scenario {
	return &world.Scenario{
		Seed: 1, Start: time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC), Span: 8 * day, Look: time.Hour, Scan: "7 */3 * * *",
		Limits: rotator.CapLimits{MaxShare: 1, AlwaysAllowed: 1000}, HaltAfter: 5,
		Accounts: []world.Account{{Name: "acc0", System: world.CertCentral, Propagation: time.Minute}},
		Sinks:    []world.Sink{{Name: "sink0"}},
		Policies: []world.Policy{{Policy: rotator.Policy{
			Name: "policy0", Match: rotator.Match{Providers: []string{"acc0"}, Keys: []string{"key*"}}, Sinks: []string{"sink0"},
			MaxAge: 6 * day, RenewBefore: 36 * time.Hour, Grace: 6 * time.Hour, Idle: 8 * time.Hour, Soak: time.Hour, Lifetime: 30 * day,
		}}},
		Credentials: []world.Credential{{User: "ci-0", Base: "key0", Age: 3 * day, Lifetime: 30 * day,
			Consumers: []world.Consumer{{Every: 2 * time.Hour, Cache: time.Hour}}}},
	}
}

// with is the quiet world and what disturbs it.
func with(change func(*world.Scenario)) func() *world.Scenario {
	return func() *world.Scenario {
		s := quiet()
		change(s)
		return s
	}
}

// happens is the quiet world with incidents.
func happens(list ...world.Incident) func() *world.Scenario {
	return with(func(s *world.Scenario) { s.Incidents = list })
}

// rotated is the quiet world in which a person asks for a rotation, and then something happens.
func rotated(next ...world.Incident) func() *world.Scenario {
	return happens(append([]world.Incident{{Kind: world.Rotate, At: rotates}}, next...)...)
}

// refused: the new key is refused for so long that it is given up.
func refused(s *world.Scenario) {
	s.Accounts[0].RefusedFor = 50 * time.Second
	s.Incidents = []world.Incident{{Kind: world.Rotate, At: rotates}, {Kind: world.Refusal, At: rotates + 20*time.Second, For: 5 * time.Hour}}
}

// slow: a new key is refused for most of an hour, and a consumer looks often.
func slow(s *world.Scenario) {
	s.Accounts[0].RefusedFor, s.Accounts[0].Propagation = 50*time.Minute, time.Hour
	s.Credentials[0].Consumers[0] = world.Consumer{Every: 10 * time.Minute, Cache: 5 * time.Minute}
}

// lossy: answers to calls that were carried out are lost, while many keys are made.
func lossy(s *world.Scenario) {
	s.Odds = map[world.Fault]float64{world.LostAfter: 0.3}
	s.Span, s.Calm = 12*day, 4*day
	for i := range 10 {
		s.Incidents = append(s.Incidents, world.Incident{Kind: world.Rotate, At: time.Duration(i+1) * 18 * time.Hour})
	}
}

// late: and a new key is missing from lists for longer than a retry takes.
func late(s *world.Scenario) {
	lossy(s)
	s.Accounts[0].ListedAfter = 50 * time.Second
}

// born: service users are declared one after the other, and answers to calls that were carried out are lost.
func born(s *world.Scenario) {
	s.Odds = map[world.Fault]float64{world.LostAfter: 0.3}
	s.Span, s.Calm = 12*day, 4*day
	for i := range 8 {
		s.Credentials = append(s.Credentials, world.Credential{User: fmt.Sprintf("born-%d", i), Base: fmt.Sprintf("key-%d", i), Unborn: true})
		s.Incidents = append(s.Incidents, world.Incident{Kind: world.Declare, At: time.Duration(i+1) * 20 * hour, Target: len(s.Credentials) - 1})
	}
}

// unnamed: and the key that comes with a service user bears a name of the provider's choice, by which nobody would find it.
func unnamed(s *world.Scenario) {
	born(s)
	s.Accounts[0].System = world.DigiCertOne
}

// idle: the old key lies idle long before its grace period is over.
func idle(s *world.Scenario) {
	p := &s.Policies[0]
	p.Grace, p.Idle = 20*hour, hour
	s.Credentials[0].Consumers[0] = world.Consumer{Every: 20 * time.Minute, Cache: 10 * time.Minute}
}

// restored: while the old key waits, one of two sinks is put back to what it held before.
func restored(s *world.Scenario) {
	s.Sinks = append(s.Sinks, world.Sink{Name: "sink1"})
	s.Policies[0].Sinks = append(s.Policies[0].Sinks, "sink1")
	s.Incidents = []world.Incident{{Kind: world.Rotate, At: rotates}, {Kind: world.Restore, At: rotates + 2*hour, Sink: 1}}
}

// clinging: a consumer keeps what it read for days, and is seen at the provider.
func clinging(s *world.Scenario) {
	s.Credentials[0].Consumers[0] = world.Consumer{Every: 2 * time.Hour, Cache: 2 * day, Patient: true}
}

// deaf: nobody listens to the hook that the policy requires, for longer than the grace period.
func deaf(s *world.Scenario) {
	s.Hook = &world.Hook{Name: "hook0"}
	s.Policies[0].RequiredHooks = []string{"hook0"}
	s.Incidents = []world.Incident{{Kind: world.Rotate, At: rotates}, {Kind: world.HookOutage, At: rotates - hour, For: 36 * hour}}
}

// ahead: for some hours the daemon's clock says that the key has expired long ago.
func ahead(s *world.Scenario) {
	s.Accounts[0].System = world.DigiCertOne
	s.Incidents = []world.Incident{{Kind: world.ClockSet, At: hour, By: 60 * day}, {Kind: world.ClockSet, At: 10 * hour, By: -60 * day}}
}

// patient: the account fails while the clock is ahead, and is left alone for a while by that clock.
func patient(s *world.Scenario) {
	s.HaltAfter, s.Span, s.Calm = 1, 12*day, 6*day
	s.Incidents = []world.Incident{{Kind: world.ClockSet, At: hour, By: 60 * day}, {Kind: world.Outage, At: hour + time.Second, For: 9 * hour},
		{Kind: world.ClockSet, At: 5 * hour, By: -60 * day}}
}

// full: a person has made a key beside the one that is there, and the cap is two.
func full(s *world.Scenario) {
	s.Accounts[0].MaxKeys = 2
	s.Incidents = []world.Incident{{Kind: world.MakeKey, At: time.Hour}, {Kind: world.Rotate, At: 12 * time.Hour}}
}

// crowd replaces the key by n of the same age.
func crowd(s *world.Scenario, n int) {
	c := s.Credentials[0]
	s.Credentials = nil
	for i := range n {
		c.User, c.Base = fmt.Sprintf("ci-%d", i), fmt.Sprintf("key%d", i)
		s.Credentials = append(s.Credentials, c)
	}
}

// rush: more keys are due at once than the cap lets through.
func rush(s *world.Scenario) {
	crowd(s, 12)
	s.Limits = rotator.CapLimits{MaxShare: 0.2, AlwaysAllowed: 2}
}

// drilled: the calendar wants one drill a day, and there are more keys to choose from.
func drilled(s *world.Scenario) {
	crowd(s, 6)
	opens, err := rotator.ParseSchedule("0 8 * * *", "")
	if err != nil {
		panic(err) // it is one
	}
	s.Drills = []world.Drill{{Plain: oracle.Window{From: 8, Hours: 6, Days: [7]bool{true, true, true, true, true, true, true}}, DrillSchedule: rotator.DrillSchedule{
		Name: "drill0", Window: rotator.Window{Opens: opens, For: 6 * hour}, Limit: 1}}}
}

// hammered: an account fails while many rotations are under way.
func hammered(s *world.Scenario) {
	crowd(s, 150)
	s.Span, s.Concurrent = 3*day, 16
	for i := range s.Credentials {
		s.Credentials[i].Consumers = nil
	}
	s.Incidents = []world.Incident{{Kind: world.Outage, At: 30 * time.Hour, For: 14 * time.Hour}}
}

// dark: an account answers nothing for days, and no breaker tells.
func dark(s *world.Scenario) {
	s.HaltAfter = 0
	s.Incidents = []world.Incident{{Kind: world.Outage, At: 3 * day, For: 4 * day}}
}

// shared: two replicas take turns.
func shared(s *world.Scenario) { s.Replicas = 2 }

// fast: while the old key waits, the replica whose clock is weeks ahead is the only one for most of a day.
func fast(s *world.Scenario) {
	shared(s)
	p := &s.Policies[0]
	p.Grace, p.Idle = 20*hour, hour
	s.Incidents = []world.Incident{{Kind: world.Rotate, At: rotates}, {Kind: world.ReplicaClock, At: rotates + hour, By: 40 * day, Target: 1},
		{Kind: world.Restart, At: rotates + 2*hour, For: 16 * hour}}
}

// stalled: the replica that acts stands still for longer than its lease lasts: before one of its first writes, and as it sends the call
// that makes a key.
func stalled(s *world.Scenario) {
	shared(s)
	for i, nth := range []int{1, 5, 7, 8, 8, 11} {
		at := time.Duration(i+1) * 18 * hour
		s.Incidents = append(s.Incidents, world.Incident{Kind: world.Rotate, At: at + time.Millisecond})
		for replica := range 2 {
			s.Incidents = append(s.Incidents, world.Incident{Kind: world.Stall, At: at, For: 5 * hour, Nth: nth, Target: replica})
		}
	}
}
