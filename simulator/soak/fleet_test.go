//go:build !race

package soak

import (
	"fmt"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/simulator/world"
)

// quarter is a quarter of the soak: in each of them the same goes wrong.
const quarter = 7 * time.Hour

// enough is how many rotations have to be over, and how many faults have to strike.
const enough = 250

// fleet is two replicas that take turns at two accounts, with keys that are replaced four times an hour.
func fleet() *world.Scenario {
	const month = 30 * 24 * time.Hour
	s := &world.Scenario{ // samples are taken half-way between two scans
		Seed: 1, Start: time.Date(2027, 3, 1, 0, 2, 30, 0, time.UTC), Span: 4 * quarter, Look: 5 * time.Minute, Scan: "*/5 * * * *", CensusEvery: 15 * time.Minute,
		Limits: rotator.CapLimits{MaxShare: 1, AlwaysAllowed: 1000}, HaltAfter: 5, Replicas: 2,
		Sinks: []world.Sink{{Name: "vault"}, {Name: "disk", Lag: 30 * time.Second}},
		Odds:  map[world.Fault]float64{},
	}
	for _, f := range world.Faults() {
		s.Odds[f] = 0.004
	}
	for i, system := range []world.System{world.CertCentral, world.DigiCertOne} {
		name := fmt.Sprintf("acc%d", i)
		s.Accounts = append(s.Accounts, world.Account{Name: name, System: system, Propagation: 10 * time.Second, RefusedFor: 4 * time.Second, ListedAfter: 3 * time.Second})
		s.Policies = append(s.Policies, world.Policy{Policy: rotator.Policy{
			Name: "policy of " + name, Match: rotator.Match{Providers: []string{name}, Keys: []string{"key*"}}, Sinks: []string{"vault", "disk"},
			MaxAge: 45 * time.Minute, RenewBefore: 30 * time.Minute, Grace: 4 * time.Minute, Idle: time.Minute, Soak: 2 * time.Minute, Jitter: 0.2, Lifetime: month,
		}})
	}
	for i := range 6 {
		s.Credentials = append(s.Credentials, world.Credential{Account: i % 2, User: fmt.Sprintf("ci-%d", i), Base: fmt.Sprintf("key%d", i),
			Age: time.Duration(i) * time.Minute, Lifetime: month, Consumers: []world.Consumer{{Every: 4 * time.Minute, Cache: time.Minute}}})
	}
	for q := range 4 {
		s.Incidents = append(s.Incidents, trouble(q)...)
	}
	return s
}

// trouble is what goes wrong in a quarter. Nobody stops a daemon; but the replica that acts is cut off from the journal for so long that the other
// one takes over.
func trouble(q int) []world.Incident {
	from := time.Duration(q) * quarter
	return []world.Incident{
		{Kind: world.Outage, At: from + 20*time.Minute, For: 20 * time.Minute},
		{Kind: world.Refusal, At: from + 50*time.Minute, For: 10 * time.Minute, Target: 1},
		{Kind: world.SinkOutage, At: from + 70*time.Minute, For: 15 * time.Minute, Target: 1},
		{Kind: world.FullDisk, At: from + 100*time.Minute, For: 10 * time.Minute},
		{Kind: world.Hold, At: from + 2*time.Hour, For: 30 * time.Minute},
		{Kind: world.Rotate, At: from + 2*time.Hour, Target: 1},
		{Kind: world.Compromise, At: from + 2*time.Hour, Target: 2},
		{Kind: world.Reload, At: from + 160*time.Minute, For: 5 * time.Minute},
		{Kind: world.CutOff, At: from + 3*time.Hour, For: 230 * time.Minute, Target: q % 2},
		{Kind: world.SecondDaemon, At: from + 170*time.Minute},
	}
}
