package world

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/simulator/oracle"
)

// Scenario is everything that a run depends on. Two runs of one scenario meet the same faults and the same people.
type Scenario struct {
	// Seed draws the faults of each call.
	Seed uint64
	// Start is when it begins, not before the year 2000.
	Start time.Time
	// Span is how long it goes on; in the last Calm of it there are no faults and nobody interferes.
	Span, Calm time.Duration
	// Look and Scan are how often the daemon looks at the clock and at its providers. Scan is a cron schedule in UTC.
	Look time.Duration
	Scan string
	// Limits are the blast-radius cap; HaltAfter opens a provider's breaker.
	Limits    rotator.CapLimits
	HaltAfter int
	// Concurrent is how many rotations of one provider move at a time; 0 is four.
	Concurrent int
	// Replicas is how many daemons share the journal and take turns by its leases; 0 and 1 are one daemon alone.
	Replicas int
	Accounts []Account
	Policies []Policy
	Freezes  []rotator.Freeze
	// Drills are those of the calendar: one at most for an account.
	Drills []Drill
	// Hook, if set, tells consumers of new keys; policies name it.
	Hook  *Hook
	Sinks []Sink
	// Credentials are there from the beginning, but for those that are declared later, which come last.
	Credentials []Credential
	// Odds is how likely each fault strikes a call that it can strike.
	Odds map[Fault]float64
	// Incidents happen once, in any order.
	Incidents []Incident
	// Muted are faults that would strike and do not: see [Struck].
	Muted map[string]bool
	// Unattended is true where nobody looks after what the daemon says needs a person.
	Unattended bool
	// Quick leaves out what is told and what is searched for secrets, for large fleets.
	Quick bool
	// Watch, if set, hears what the journal takes.
	Watch Watch
	// Census, if set, is called every CensusEvery, at a moment at which nothing moves: all that runs waits for time to pass.
	Census      func()
	CensusEvery time.Duration
}

// System is the kind of an issuing system.
type System string

// The systems.
const (
	CertCentral   System = "certcentral"
	DigiCertOne   System = "digicert_one"
	Dataspot      System = "dataspot"       // keys are listed; people make and remove them
	DataspotBlind System = "dataspot_blind" // keys are not listed either
)

// Account is an account at an issuing system.
type Account struct {
	Name   string
	System System
	// RefusedFor, ListedAfter, RevokedFor and UsedLag are how late the system is: a new key authenticates and is listed, a revoked
	// one is refused, a use is shown. Propagation is what the daemon is told of the first three.
	RefusedFor, ListedAfter, RevokedFor, UsedLag, Propagation time.Duration
	// MaxKeys caps the keys of a credential; 0 is no cap.
	MaxKeys int
	// Rates bound the daemon's calls and are what the system enforces; nil for none.
	Rates []Rate
	// Strangers are further service users, of whom some leave while the list is read.
	Strangers int
}

// Rate is a rolling window: at most Requests calls in any span of length Per.
type Rate struct {
	Requests int
	Per      time.Duration
}

// Policy is a policy and its window in plain words, which the oracle reads.
type Policy struct {
	rotator.Policy
	Plain *oracle.Window
}

// Drill is a drill of the calendar at an account, and its window in plain words, which the oracle reads.
type Drill struct {
	rotator.DrillSchedule
	// Account is the index of the account.
	Account int
	Plain   oracle.Window
}

// Sink is a sink.
type Sink struct {
	Name string
	// Lag is how long after a delivery a reader still sees what was there before.
	Lag time.Duration
}

// Credential is a credential with one key, and who uses it.
type Credential struct {
	// Account is the index of its account.
	Account int
	// User and Base name it. User is unique in the account.
	User, Base string
	// Email of the user; empty for one made from its name.
	Email string
	// Age of its key at the start, and the key's lifetime; 0 for one that never ends.
	Age, Lifetime time.Duration
	Consumers     []Consumer
	// Cursed is true where something stands in its way that nobody mends: it is not expected to recover.
	Cursed bool
	// Unborn is true where there is no such service user yet: a [Declare] is for it, and the daemon makes it, and its key.
	Unborn bool
}

// Consumer reads a sink and uses what it finds.
type Consumer struct {
	// Sink is the index of the sink.
	Sink int
	// Every is how often it uses its key, Cache how long it keeps what it read.
	Every, Cache time.Duration
	// Patient is true if it may keep a key beyond the grace period, and relies on being seen.
	Patient bool
}

// Fault is a way in which one call goes wrong.
type Fault string

// The faults of calls to issuing systems, of sinks and of the journal.
const (
	LostBefore    Fault = "lost_before"     // the call never arrives
	LostAfter     Fault = "lost_after"      // it is carried out and the answer is lost
	TimeoutBefore Fault = "timeout_before"  // it does not arrive, and that shows after the timeout
	TimeoutAfter  Fault = "timeout_after"   // it is carried out, and the answer does not come in time
	Throttled     Fault = "throttled"       // 429
	ThrottledFor  Fault = "throttled_for"   // 429 with Retry-After
	ServerError   Fault = "server_error"    // 500, 502, 503: nothing was done
	ErrorAfter    Fault = "error_after"     // 500, and it was done
	Unauthorized  Fault = "unauthorized"    // 401
	Forbidden     Fault = "forbidden"       // 403
	Garbage       Fault = "garbage"         // the right status and no JSON
	Truncated     Fault = "truncated"       // half of the answer
	RepeatedPage  Fault = "repeated_page"   // a list shows the page before
	Forgets       Fault = "forgets"         // a list leaves a key out
	ShowsTwice    Fault = "shows_twice"     // a list shows a key twice
	EmptyList     Fault = "empty_list"      // a list shows nothing, without an error
	Shifts        Fault = "shifts"          // somebody leaves between two pages of a list
	SinkFails     Fault = "sink_fails"      // a delivery or a look fails
	SinkFailsLate Fault = "sink_fails_late" // a delivery is made, and fails
	SinkLoses     Fault = "sink_loses"      // a delivery is taken, and nothing is there
	WriteFails    Fault = "write_fails"     // the journal does not take a line
	ReadFails     Fault = "read_fails"      // the journal does not answer
	HookFails     Fault = "hook_fails"      // a hook fails, and nobody was told
	HookSlow      Fault = "hook_slow"       // it takes long, or too long
	HookFailsLate Fault = "hook_fails_late" // somebody was told, and the answer is lost
	HookDies      Fault = "hook_dies"       // somebody was told, and the daemon dies before it knows
)

// Faults lists every fault.
func Faults() []Fault {
	return []Fault{LostBefore, LostAfter, TimeoutBefore, TimeoutAfter, Throttled, ThrottledFor, ServerError, ErrorAfter, Unauthorized, Forbidden,
		Garbage, Truncated, RepeatedPage, Forgets, ShowsTwice, EmptyList, Shifts, SinkFails, SinkFailsLate, SinkLoses, WriteFails, ReadFails,
		HookFails, HookSlow, HookFailsLate, HookDies}
}

// HookFaults lists those of hooks.
func HookFaults() []Fault { return []Fault{HookFails, HookSlow, HookFailsLate, HookDies} }

// Kind is a kind of incident.
type Kind string

// The incidents.
const (
	Crash        Kind = "crash"         // the daemon dies at the Nth point after At, and comes back after For
	Restart      Kind = "restart"       // it is stopped in order, and comes back after For
	ClockJump    Kind = "clock_jump"    // it is stopped, and its clock is By off when it comes back at once
	ClockSet     Kind = "clock_set"     // its clock is set by By while it runs
	Outage       Kind = "outage"        // an account answers nothing for the time For
	Refusal      Kind = "refusal"       // an account refuses the daemon's own key for the time For
	SinkOutage   Kind = "sink_outage"   // a sink fails every call for the time For
	FullDisk     Kind = "full_disk"     // the journal takes nothing for the time For
	Hold         Kind = "hold"          // a person holds a credential for the time For
	Release      Kind = "release"       // a person releases it
	Rotate       Kind = "rotate"        // a person asks for a rotation
	Compromise   Kind = "compromise"    // a person says that the key leaked
	StartOver    Kind = "start_over"    // a person gives up the new key
	Approve      Kind = "approve"       // a person lets through what the cap stops
	Reload       Kind = "reload"        // the configuration is read anew, with another grace period, or a freeze for the time For
	Overwrite    Kind = "overwrite"     // somebody else writes into a sink, where the credential stands
	Wipe         Kind = "wipe"          // somebody empties that place
	Restore      Kind = "restore"       // that place is put back to what stood there before, as from a backup
	MakeKey      Kind = "make_key"      // a person makes a key of the series by hand
	RemoveKey    Kind = "remove_key"    // a person revokes the oldest key of the series by hand
	SecondDaemon Kind = "second_daemon" // somebody starts another daemon on the journal
	Undo         Kind = "undo"          // a person brings a key back that was just switched off, as soon as there is one
	Stall        Kind = "stall"         // the daemon stands still at the Nth point after At, for the time For, and goes on with what it was about to do
	CutOff       Kind = "cut_off"       // the daemon does not reach its journal for the time For
	HookOutage   Kind = "hook_outage"   // nobody listens to a hook for the time For
	Declare      Kind = "declare"       // a person declares a service user that is not there yet
	ReplicaClock Kind = "replica_clock" // the clock of one replica is set by By while it runs, and the other one's is not
)

// Incident is something that happens once.
type Incident struct {
	Kind Kind
	// At is when, counted from the start.
	At time.Duration
	// For is how long it lasts, By by how much a clock jumps.
	For, By time.Duration
	// Target is the index of what it is about, which [Kind.About] names; Sink that of the sink, for places.
	Target, Sink int
	// Nth is the point at which a crash or a stall strikes, counted in journal writes and effects from At on.
	Nth int
}

// String is a line for people.
func (i Incident) String() string {
	s := fmt.Sprintf("%s  %s", day(i.At), strings.ReplaceAll(string(i.Kind), "_", " "))
	if i.For > 0 {
		s += " for " + i.For.Round(time.Minute).String()
	}
	if i.By != 0 {
		s += " by " + i.By.String()
	}
	if about := i.Kind.About(); about != AboutNothing {
		s += fmt.Sprintf(" (%s %d)", about, i.Target)
	}
	return s
}

// About is what the target of an incident is.
type About string

// What incidents are about.
const (
	AboutNothing    About = ""
	AboutAccount    About = "account"
	AboutSink       About = "sink"
	AboutReplica    About = "replica"
	AboutCredential About = "credential"
)

// About says what the target of such an incident is.
func (k Kind) About() About {
	switch k {
	case Outage, Refusal, Approve:
		return AboutAccount
	case SinkOutage:
		return AboutSink
	case Crash, Restart, Stall, CutOff, ReplicaClock:
		return AboutReplica
	case ClockJump, ClockSet, FullDisk, Reload, SecondDaemon, Undo, HookOutage:
		return AboutNothing
	default:
		return AboutCredential
	}
}

// Kinds lists every kind of incident.
func Kinds() []Kind {
	return []Kind{Crash, Restart, ClockJump, Outage, Refusal, SinkOutage, FullDisk, Hold, Release, Rotate, Compromise, StartOver, Approve, Reload,
		Overwrite, Wipe, Restore, MakeKey, RemoveKey, SecondDaemon, Undo, Stall, CutOff, HookOutage, ClockSet, ReplicaClock, Declare}
}

func day(d time.Duration) string {
	return fmt.Sprintf("day %d %s", int(d/day1), time.Time{}.Add(d%day1).Format("15:04"))
}

const day1 = 24 * time.Hour

// InOrder returns the incidents in the order of time.
func (s *Scenario) InOrder() []Incident {
	list := slices.Clone(s.Incidents)
	slices.SortStableFunc(list, func(a, b Incident) int { return int(a.At - b.At) })
	return list
}
