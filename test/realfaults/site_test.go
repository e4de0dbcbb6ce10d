package realfaults

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/test/daemon"
)

// atOnce is how many of the tests run at the same time: nearly all that they do is wait.
const atOnce = "24"

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", atOnce); err != nil { // what the command line says is read later, and wins
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	clearAway()
	code := daemon.Run(m)
	stopPostgres()
	os.Exit(code)
}

// recovery is how long the daemon may take to come to the good end once a fault is over: the longest that it waits by itself
// before it tries again in these tests, and time for a busy machine.
const recovery = 100 * time.Second

// What a policy says of time. With due, a key of an hour is replaced at once and its replacement is not due before the test is
// over; with asked, keys are replaced when a person asks for it.
const (
	due   = "max_age: 1h, renew_before: 50m, grace: 1s, idle: 0s"
	asked = "max_age: 48h, renew_before: 1h, grace: 1s, idle: 0s"
)

// setting is what a site starts from. The zero setting is a CertCentral account without rates, and one service user with a key
// that is overdue.
type setting struct {
	provider emulator.CertCentralOptions
	// services is how many service users there are: 1 if it is 0, none if it is negative.
	services int
	// timing and sink are of the policy; sinks are further ones beside "disk".
	timing, sinks, sink string
	// every is the time between two scans: a second, if it is empty.
	every string
	// account replaces the provider's settings beside those that say what it is.
	account string
	// root is where the daemon finds the provider, server its section of the configuration.
	root, server string
	// config holds what else the daemon is started with.
	config daemon.Config
	pace   time.Duration
}

// site is a daemon, what it depends on, and consumers that use what it delivers all the time.
type site struct {
	t         *testing.T
	e         *daemon.Emulator
	d         *daemon.Daemon
	pace      time.Duration
	services  []daemon.Service
	consumers []*daemon.Consumer
}

// prepare makes everything and starts nothing. Where is called with the emulator before the configuration is written.
func prepare(t *testing.T, s setting, where ...func(*daemon.Emulator, *setting)) *site {
	t.Helper()
	if s.provider.Rates == nil {
		s.provider.Rates = []emulator.Rate{}
	}
	if s.config.Binary == "" {
		daemon.Binary(t) // before any key gets its age
	}
	x := &site{t: t, e: daemon.Emulate(t, s.provider), pace: cmp.Or(s.pace, 50*time.Millisecond)}
	for _, f := range where {
		f(x.e, &s)
	}
	files := map[string]string{"cc.key": x.e.ManagerSecret()}
	for name, content := range s.config.Files {
		files[name] = content
	}
	s.config.Files, s.config.YAML = files, s.yaml(x.e)
	x.d = daemon.New(t, s.config)
	t.Cleanup(x.tell)
	for i := range cmp.Or(s.services, 1) {
		x.services = append(x.services, x.e.AddService(fmt.Sprintf("svc-%d", i), "deploy", time.Hour))
	}
	return x
}

func (s *setting) yaml(e *daemon.Emulator) string {
	return s.server + fmt.Sprintf(`scan: {schedule: "@every %s"}
providers:
  - {name: cc, %s, %s}
sinks:
  - {name: disk, type: file, path: "$DIR/keys/{{.ServiceUser}}"}
%spolicies:
  - {name: all, match: {keys: [deploy]}, %s, jitter: 0%%, sinks: [%s]}
limits: {max_share_per_scan: 100%%, always_allowed: 1000, halt_after_failures: 1000}
`, cmp.Or(s.every, "1s"), e.Options(cmp.Or(s.root, e.Root)), cmp.Or(s.account, "propagation: 1s, timeout: 2s, rates: [{requests: 100000, per: 1s}]"),
		s.sinks, cmp.Or(s.timing, due), cmp.Or(s.sink, "disk"))
}

// begin runs the consumers and the daemon.
func (x *site) begin() {
	x.t.Helper()
	x.consume()
	x.d.Start()
}

func (x *site) consume() {
	x.t.Helper()
	for _, s := range x.services {
		x.consumers = append(x.consumers, x.e.Consume(x.t, s.Name, s.Secret, daemon.FileReader(x.file(s)), x.pace))
	}
}

func (x *site) file(s daemon.Service) string { return x.d.Path("keys/" + s.Name) }

// tell shows, of a failed test, what the daemon logged beside its scans.
func (x *site) tell() {
	if !x.t.Failed() {
		return
	}
	for line := range strings.Lines(x.d.Logs()) {
		if !strings.Contains(line, `"msg":"scan complete"`) {
			x.t.Log(strings.TrimSpace(line))
		}
	}
}

// want makes an error of what is not so.
func want(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

func (x *site) await(what string, look func() error) {
	x.t.Helper()
	daemon.Await(x.t, recovery, what, look)
}

// logs awaits a text in the log.
func (x *site) logs(text string) {
	x.t.Helper()
	x.await("the log to say "+text, func() error { return want(strings.Contains(x.d.Logs(), text), "it does not") })
}

// metric awaits a metric that satisfies ok.
func (x *site) metric(ok func(float64) bool, name string, labels ...string) {
	x.t.Helper()
	x.await(name+" "+strings.Join(labels, ","), func() error {
		value, found := x.d.Metric(name, labels...)
		return want(found && ok(value), "it is %v (there: %v)", value, found)
	})
}

func is(n float64) func(float64) bool { return func(value float64) bool { return value == n } }

// attention awaits an item on the status that needs a person, for that reason, and with something to say and to do.
func (x *site) attention(reason string) {
	x.t.Helper()
	x.await("the status to show "+reason, func() error {
		s := x.d.Status()
		for _, i := range s.Attention {
			if i.Reason == reason {
				return want(s.NeedsPerson && i.Why != "" && i.Do != "", "it shows %+v", i)
			}
		}
		return fmt.Errorf("it shows %+v", s.Attention)
	})
}

// held is the key whose secret the file of a service holds.
func (x *site) held(s daemon.Service) (daemon.Key, error) {
	secret, err := os.ReadFile(x.file(s))
	if err != nil {
		return daemon.Key{}, err
	}
	k, ok := x.e.KeyOfSecret(string(secret))
	return k, want(ok, "the file of %s holds %d bytes that are no key", s.Name, len(secret))
}

// ended waits until a service has one active key, which is not the one of that id, and its file holds it.
func (x *site) ended(s daemon.Service, before string) (now daemon.Key) {
	x.t.Helper()
	x.await("the end of the rotation for "+s.Name, func() (err error) {
		active := x.e.Active(s.UserID)
		if len(active) != 1 || active[0].ID == before {
			return fmt.Errorf("the active keys are %+v", active)
		}
		if now, err = x.held(s); err != nil {
			return err
		}
		return want(now.ID == active[0].ID, "the file has key %s and the active one is %s", now.ID, active[0].ID)
	})
	return now
}

// quiet waits until nothing is left to do or to worry about.
func (x *site) quiet() {
	x.t.Helper()
	x.await("nothing to be left to do", func() error {
		s := x.d.Status()
		if s.NeedsPerson || len(s.InMotion) > 0 || len(s.Waiting) > 0 || !s.Ready {
			return fmt.Errorf("it needs a person for %+v, has in motion %+v, waiting %+v", s.Attention, s.InMotion, s.Waiting)
		}
		p := s.Providers[0]
		return want(p.ScanTrouble == "" && !p.BreakerOpen && p.Orphans == 0, "the provider is %+v", p)
	})
}

// goodEnd waits until every service has one active key, a new one that its sink holds, and nothing is left to do; and it judges
// the consumers. Made is how many keys may have been made for each; 0 is any number.
func (x *site) goodEnd(made int) {
	x.t.Helper()
	for _, s := range x.services {
		x.ended(s, s.KeyID)
	}
	x.quiet()
	for _, s := range x.services {
		if n := len(x.e.Keys(s.UserID)) - 1; made > 0 && n != made {
			x.t.Errorf("%d keys were made for %s, want %d: %+v", n, s.Name, made, x.e.Keys(s.UserID))
		}
	}
	x.unharmed()
}

// unharmed judges the consumers: each used a key that was delivered, and none was refused.
func (x *site) unharmed() {
	x.t.Helper()
	for _, c := range x.consumers {
		daemon.Await(x.t, daemon.Patience, "the consumers to take over the new key", func() error {
			_, secrets := c.Calls()
			return want(secrets >= 2, "it used %d", secrets)
		})
		c.Stop()
		if bad := c.Failures(); bad != "" {
			x.t.Errorf("a consumer was left without a working key:\n%s", bad)
		}
	}
}

// rotate asks for a rotation of every key.
func (x *site) rotate(args ...string) {
	x.t.Helper()
	args = append(append([]string{"rotate"}, args...), "cc/*/deploy")
	if out, errs, code := x.d.Command(args...); code != 0 {
		x.t.Fatalf("%v ends with %d: %s%s", args, code, out, errs)
	}
}

// gate holds the first call of one kind up until it is opened.
type gate struct{ arrived, open chan struct{} }

// hold makes a gate for the next call of the daemon about that, before it has its effect or, with after, after it.
func (x *site) hold(request string, after bool) *gate {
	g := &gate{arrived: make(chan struct{}), open: make(chan struct{})}
	first := make(chan struct{}, 1)
	first <- struct{}{}
	x.e.Watch(func(c daemon.Call) {
		if x.e.Request(c.Method, c.Path) != request || c.Done != after {
			return
		}
		select {
		case <-first:
			close(g.arrived)
			<-g.open
		default:
		}
	})
	return g
}

// await waits until the call is there.
func (g *gate) await(x *site) {
	x.t.Helper()
	x.await("the call", func() error {
		select {
		case <-g.arrived:
			return nil
		default:
			return errors.New("it was not made")
		}
	})
}
