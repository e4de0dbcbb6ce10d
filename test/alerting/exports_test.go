package alerting

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/test/daemon"
)

const day = 24 * time.Hour

// exports are what real daemons exported at moments that the rules are about.
type exports struct {
	// moving is a daemon with a rotation at work; healthy is it once that has ended and nothing is to be done.
	moving, healthy []series
	// quiet is that daemon with a hold and a freeze in force and a configuration file that is wrong; down is it without its provider.
	quiet, down []series
	// asking is a daemon above its cap; blocked is it once that was approved, with an old key in use and a sink that holds
	// something foreign.
	asking, blocked []series
	// faulty is a daemon among sinks, hooks, users and programs that do not do what they should; damaged is it once its journal was.
	faulty, damaged []series
	// before is a daemon whose provider will refuse the keys that it makes, and will then list few of its users; refused is it after that.
	before, refused []series
	// waiting is a daemon that waits for its seal key.
	waiting []series
	// doubled is the healthy daemon with another beside it, at the same account and with a journal of its own.
	doubled []series
	// lost is the damaged daemon once a table of its journal is gone.
	lost []series
	// frozen is a daemon under a freeze and held the same one under a hold; ending is one whose certificate ends in ten days.
	frozen, held, ending []series
	// skewed is a daemon that has nothing to do, at an account whose clock is an hour ahead.
	skewed []series
}

// all are the series of all moments.
func (x *exports) all() []series {
	var all []series
	for _, some := range [][]series{x.moving, x.healthy, x.quiet, x.down, x.asking, x.blocked, x.faulty, x.damaged, x.before, x.refused, x.waiting,
		x.doubled, x.lost, x.frozen, x.held, x.ending, x.skewed} {
		all = append(all, some...)
	}
	return all
}

// once keeps what the first test found for the others.
var once struct {
	sync.Once
	*exports
}

// exported runs the daemons, once for all tests.
func exported(t *testing.T) *exports {
	t.Helper()
	once.Do(func() {
		x := &exports{}
		x.calm(t)
		x.busy(t)
		x.broken(t)
		x.refusing(t)
		x.sealedOut(t)
		x.resting(t)
		x.certified(t)
		x.late(t)
		once.exports = x
	})
	if once.exports == nil {
		t.Fatal("the daemons whose metrics are needed did not come so far; see the first test that failed")
	}
	return once.exports
}

// scene is a daemon at an emulated account of each kind.
type scene struct {
	t       *testing.T
	cc, one *daemon.Emulator
	d       *daemon.Daemon
}

// propagation is for how long the account does not accept a new key: long enough to see the daemon wait for it.
const propagation = 3 * time.Second

const account = "rates: [{requests: 100000, per: 1s}], timeout: 2s"

// stage makes everything and starts nothing. Of that event somebody is to be told, and cannot be.
func stage(t *testing.T, policies, limits, event string) *scene {
	t.Helper()
	daemon.Binary(t) // before any key gets its age
	s := &scene{t: t, cc: daemon.Emulate(t, emulator.CertCentralOptions{Rates: []emulator.Rate{}, NewKeyRefusedFor: propagation})}
	instance := emulator.NewDigiCertOne(emulator.DigiCertOneOptions{Rates: []emulator.Rate{}})
	s.one = daemon.Serve(t, daemon.DigiCertOneTokens(instance))
	manager, _, err := instance.AddServiceUser(emulator.DigiCertOneUser{FriendlyName: "rotatord", Roles: []string{"AM_ACCOUNT_ADMIN"}})
	if err != nil {
		t.Fatal(err)
	}
	_, own, err := instance.AddToken(emulator.DigiCertOneToken{UserID: manager, Name: "own", EndDate: time.Now().Add(60 * day).UTC().Format(time.DateOnly)})
	if err != nil {
		t.Fatal(err)
	}
	s.one.Learn(own)
	s.d = daemon.New(t, daemon.Config{
		YAML: fmt.Sprintf(`scan: {schedule: "@every 1s"}
providers:
  - {name: cc, %s, propagation: 1m, %s, labels: {team: pki}}
  - {name: one, %s, propagation: 1m, %s}
sinks:
  - {name: disk, type: file, path: "$DIR/keys/{{.Provider}}/{{.ServiceUser}}", root: $DIR/keys}
policies:
%s
limits: {halt_after_failures: 3, %s}
notifications:
  gather: 1s
  webhooks: [{name: nobody, events: [%s], url: "http://127.0.0.1:9/", timeout: 1s}]
  alertmanager: {urls: ["http://127.0.0.1:9"], every: 1s}
`, s.cc.Options(s.cc.Root), account, s.one.Options(s.one.Root), account, policies, limits, event),
		Files: map[string]string{"cc.key": s.cc.ManagerSecret(), "one.key": own},
	})
	if err := os.MkdirAll(s.d.Path("keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	return s
}

// series are what the daemon exports now.
func (s *scene) series() []series {
	s.t.Helper()
	return s.scrape("a scrape for which the journal was read", "rotatord_journal_up 1")
}

// scrape is what the daemon exports at the first moment at which it exports that line.
func (s *scene) scrape(what, line string) []series {
	s.t.Helper()
	var now time.Time
	var text string
	daemon.Await(s.t, daemon.Patience, what, func() error {
		now = time.Now()
		if _, text = s.d.Get("/metrics"); !strings.Contains(text, "\n"+line+"\n") {
			return fmt.Errorf("there is no line %s in %d bytes", line, len(text))
		}
		return nil
	})
	return parse(s.t, text, now)
}

// await waits until the sum of such series is at least that much.
func (s *scene) await(least float64, metric string, labels ...string) {
	s.t.Helper()
	daemon.Await(s.t, 2*daemon.Patience, fmt.Sprintf("%s%v to be at least %g", metric, labels, least), func() error {
		if sum, there := s.d.Metric(metric, labels...); !there || sum < least {
			return fmt.Errorf("it is %g, and there: %t", sum, there)
		}
		return nil
	})
}

// rests waits until the metrics show that nothing is due and nothing moves: they lag by some seconds.
func (s *scene) rests() {
	s.t.Helper()
	daemon.Await(s.t, daemon.Patience, "nothing to be due", func() error {
		due, _ := s.d.Metric("rotatord_due_keys")
		if _, moves := s.d.Metric("rotatord_rotation_step_timestamp_seconds"); due > 0 || moves {
			return fmt.Errorf("%g keys are due, and something moves: %t", due, moves)
		}
		return nil
	})
}

func (s *scene) run(args ...string) {
	s.t.Helper()
	if out, errs, code := s.d.Command(args...); code != 0 {
		s.t.Fatalf("rotatord %s ends with %d: %s%s", strings.Join(args, " "), code, out, errs)
	}
}

// rotates is a policy under which a key of 89 days is due, its successor is not, and old keys go at once.
const rotates = "max_age: 90d, renew_before: 30d, grace: 1s, idle: 0s, jitter: 0%, sinks: [disk], labels: {team: platform}"

// calm has a daemon do its work, then be told to rest, then lose its provider.
func (x *exports) calm(t *testing.T) {
	t.Helper()
	s := stage(t, "  - {name: ci, match: {service_users: [ci-*]}, "+rotates+"}", "max_share_per_scan: 100%", "abandoned")
	s.cc.AddService("ci-build", "deploy", 89*day)
	held := s.cc.AddService("ci-held", "deploy", day)
	s.d.Start()
	s.await(1, "rotatord_rotation_step_timestamp_seconds", `stage="testing"`)
	x.moving = s.series()
	s.await(1, "rotatord_rotations_total", `provider="cc"`, `result="done"`)
	s.await(1, "rotatord_own_credential_expiration_timestamp_seconds", `name="one"`)
	s.await(1, "rotatord_audit_chain_ok")
	s.await(1, "rotatord_alertmanager_pushes_total", `result="failed"`)
	s.await(1, "rotatord_provider_up", `provider="one"`)
	s.rests()
	x.healthy = s.series()
	x.doubled = append(slices.Clone(x.healthy), s.second()...)

	s.run("hold", "--for", "12h", "--reason", "a test", "cc/"+held.UserID+"/deploy")
	s.run("freeze", "--for", "12h", "--reason", "a test")
	s.d.Configure("nonsense: true\n")
	if status, _ := s.d.Send("POST", "/-/reload", nil); status < 400 {
		t.Fatalf("a wrong configuration was taken: %d", status)
	}
	s.await(1, "rotatord_hold_timestamp_seconds")
	x.quiet = s.series()
	s.cc.Down()
	s.await(1, "rotatord_breaker_open", `provider="cc"`)
	s.await(5, "rotatord_alertmanager_pushes_total", `result="failed"`)
	x.down = s.series()
	s.d.Stop()
}

// busy has a daemon ask before it does much, and then come upon obstacles.
func (x *exports) busy(t *testing.T) {
	t.Helper()
	s := stage(t, "  - {name: used, match: {service_users: [used-*]}, "+strings.Replace(rotates, "idle: 0s", "idle: 1h", 1)+"}\n"+
		"  - {name: taken, match: {service_users: [taken-*]}, "+rotates+"}", "max_share_per_scan: 1%, always_allowed: 0", "old_key_in_use")
	used := s.cc.AddService("used-shop", "deploy", 89*day)
	s.cc.AddService("taken-mail", "deploy", 89*day)
	s.cc.AddService("taken-down", "deploy", 89*day)
	s.d.WriteFile("keys/cc/taken-mail", "what a person wrote")
	if err := s.cc.Use(t.Context(), used.Secret); err != nil {
		t.Fatal(err)
	}
	s.d.Start()
	s.await(1, "rotatord_awaiting_approval", `provider="cc"`)
	x.asking = s.series()
	s.run("approve", "cc")
	s.await(1, "rotatord_blocked_timestamp_seconds", `policy="used"`, `reason="old_key_in_use"`)
	s.await(1, "rotatord_blocked_timestamp_seconds", `policy="taken"`, `reason="sink_conflict"`)
	s.await(1, "rotatord_notices_undelivered")

	x.blocked = s.series()
	s.d.Stop()
}

// series is one series at one moment.
type series struct {
	name   string
	labels map[string]string
	// value at the moment; for a point in time, the seconds from the moment to it.
	value float64
}

// parse reads an exposition. Points in time become distances from now, so that a test can put the moment anywhere.
func parse(t *testing.T, text string, now time.Time) []series {
	t.Helper()
	var all []series
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		cut := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(line[cut+1:], 64)
		if err != nil {
			t.Fatalf("/metrics has the line %q: %v", line, err)
		}
		name, labels := labelsOf(t, line[:cut])
		if !strings.HasPrefix(name, "rotatord_") && name != startTime {
			continue
		}
		if strings.HasSuffix(name, "_timestamp_seconds") || name == startTime {
			value -= float64(now.UnixMilli()) / 1000
		}
		all = append(all, series{name, labels, value})
	}
	if len(all) < 100 {
		t.Fatalf("only %d series: this is no daemon's exposition", len(all))
	}
	return all
}

const startTime = "process_start_time_seconds"

// labelsOf reads name{label="value",…}. No name in these tests has a quote in it.
func labelsOf(t *testing.T, text string) (name string, labels map[string]string) {
	t.Helper()
	name, set, _ := strings.Cut(strings.TrimSuffix(text, "}"), "{")
	labels = map[string]string{}
	for pair := range strings.SplitSeq(set, `",`) {
		if pair == "" {
			continue
		}
		label, value, ok := strings.Cut(pair, `="`)
		if !ok {
			t.Fatalf("the series %s cannot be read", text)
		}
		labels[label] = strings.TrimSuffix(value, `"`)
	}
	return name, labels
}

// rulesFile is the shipped file.
var rulesFile = filepath.Join("..", "..", "deploy", "prometheus", "rotatord.rules.yml")
