package faults

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/test/daemon"
)

// atOnce is how many of the tests run at the same time: nearly all that they do is wait.
const atOnce = "16"

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", atOnce); err != nil { // what the command line says is read later, and wins
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	daemon.Main(m)
}

// recovery is how long the daemon may take to come to the good end once a fault is over: the longest that it waits by itself
// before it tries again in these tests, and time for a busy machine.
const recovery = 100 * time.Second

// setting is what a scene starts from. The zero setting is a provider without rates and two service users, each with a key
// that is overdue.
type setting struct {
	// provider are the options of the emulated account, unless another system is the one under test.
	provider emulator.CertCentralOptions
	system   daemon.System
	// account is added to the provider's options in the configuration, sinks to its sinks. Sink names the sinks of the policy,
	// and timing replaces its times.
	account, sinks, sink, timing string
	// scan is when providers are scanned, by default every second.
	scan string
	// halt is after how many failures the breaker opens; 0 keeps it out of the way.
	halt int
	// services are the names of the service users.
	services []string
	// files are put into the daemon's folder.
	files map[string]string
	// mounts are folders of the daemon with a file system of their own, and its options.
	mounts map[string]string
	// pace is the pause between two calls of a consumer.
	pace time.Duration
	// age is the age of the keys.
	age time.Duration
}

// scene is a daemon, what it depends on, and consumers that use what it delivers all the time.
type scene struct {
	t         *testing.T
	e         *daemon.Emulator
	account   *emulator.CertCentral
	door      *door
	d         *daemon.Daemon
	services  []daemon.Service
	consumers []*daemon.Consumer
	place     func(daemon.Service) string // of the delivered file
	pace      time.Duration
}

// due makes keys of an hour due at once, and their replacements not before the test is over.
const due = "max_age: 1h, renew_before: 50m, grace: 1s, idle: 0s"

// prepare makes everything and starts nothing.
func prepare(t *testing.T, s setting) *scene {
	t.Helper()
	daemon.Binary(t) // before any key gets its age
	if s.provider.Rates == nil {
		s.provider.Rates = []emulator.Rate{}
	}
	if s.services == nil {
		s.services = []string{"ci-build", "web-shop"}
	}
	account := emulator.NewCertCentral(s.provider)
	if s.system == nil {
		s.system = daemon.CertCentral(account)
	}
	e := daemon.Serve(t, s.system)
	c := &scene{t: t, e: e, account: account, door: newDoor(t, e), pace: s.pace}
	files := map[string]string{e.Name() + ".key": e.ManagerSecret()}
	for name, content := range s.files {
		files[name] = content
	}
	dir := t.TempDir()
	for name, options := range s.mounts {
		mount(t, dir+"/"+name, options)
	}
	c.d = daemon.New(t, daemon.Config{Dir: dir, YAML: s.yaml(c.door.url("")), Files: files})
	if _, own := s.mounts["keys"]; !own {
		c.mkdir("keys")
	}
	c.place = func(s daemon.Service) string { return c.d.Path("keys/" + s.Name) }
	t.Cleanup(c.tell)
	for _, name := range s.services {
		c.services = append(c.services, e.AddService(name, "deploy", cmp.Or(s.age, time.Hour)))
	}
	return c
}

// yaml is the configuration of the scene.
func (s *setting) yaml(root string) string {
	return fmt.Sprintf(`scan: {schedule: %q}
providers:
  - {name: cc, %s, %s}
sinks:
  - {name: disk, type: file, path: "$DIR/keys/{{.ServiceUser}}", root: $DIR/keys}
%spolicies:
  - {name: all, match: {keys: [deploy]}, %s, jitter: 0%%, sinks: [%s]}
limits: {max_share_per_scan: 100%%, always_allowed: 1000, halt_after_failures: %d}
`, cmp.Or(s.scan, "@every 1s"), s.system.Options(root), cmp.Or(s.account, "propagation: 1s, timeout: 1s, rates: [{requests: 100000, per: 1s}]"), s.sinks, cmp.Or(s.timing, due), cmp.Or(s.sink, "disk"), cmp.Or(s.halt, 1000))
}

// start runs the daemon and the consumers.
func start(t *testing.T, s setting) *scene {
	t.Helper()
	c := prepare(t, s)
	c.begin()
	return c
}

// begin runs the consumers and the daemon.
func (c *scene) begin() {
	c.t.Helper()
	for _, s := range c.services {
		c.consume(s, daemon.FileReader(c.place(s)))
	}
	c.d.Start()
}

// consume adds a consumer that reads its secret in its own way.
func (c *scene) consume(s daemon.Service, read daemon.Reader) {
	c.t.Helper()
	if c.pace == 0 {
		c.pace = 50 * time.Millisecond
	}
	c.consumers = append(c.consumers, c.e.Consume(c.t, s.Name, s.Secret, read, c.pace))
}

// tell shows, of a failed test, what the daemon logged beside its scans.
func (c *scene) tell() {
	if !c.t.Failed() {
		return
	}
	for line := range strings.Lines(c.d.Logs()) {
		if !strings.Contains(line, `"msg":"scan complete"`) {
			c.t.Log(strings.TrimSpace(line))
		}
	}
}

func (c *scene) mkdir(name string) {
	c.t.Helper()
	if err := os.MkdirAll(c.d.Path(name), 0o700); err != nil {
		c.t.Fatal(err)
	}
}

// await waits for an effect.
func (c *scene) await(what string, look func() error) {
	c.t.Helper()
	daemon.Await(c.t, recovery, what, look)
}

// want makes an error of what is not so.
func want(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// metric awaits a metric that satisfies ok.
func (c *scene) metric(ok func(float64) bool, name string, labels ...string) {
	c.t.Helper()
	c.await(name+" "+strings.Join(labels, ","), func() error {
		value, found := c.d.Metric(name, labels...)
		return want(found && ok(value), "it is %v (there: %v)", value, found)
	})
}

func is(n float64) func(float64) bool      { return func(value float64) bool { return value == n } }
func atLeast(n float64) func(float64) bool { return func(value float64) bool { return value >= n } }

// logs awaits a text in the log.
func (c *scene) logs(text string) {
	c.t.Helper()
	c.await("the log to say "+text, func() error { return want(strings.Contains(c.d.Logs(), text), "it does not") })
}

// attention awaits an item on the status that needs a person, for that reason, and with something to say and to do.
func (c *scene) attention(reason string) {
	c.t.Helper()
	c.await("the status to show "+reason, func() error {
		s := c.d.Status()
		for _, i := range s.Attention {
			if i.Reason == reason {
				return want(s.NeedsPerson && i.Why != "" && i.Do != "", "it shows %+v", i)
			}
		}
		return want(false, "it shows %+v", s.Attention)
	})
}

// trouble awaits a rotation in motion, not blocked, with a trouble that contains the text, in itself or at a sink.
func (c *scene) trouble(text string) {
	c.t.Helper()
	c.await("the status to tell of "+text, func() error {
		motion := c.d.Status().InMotion
		for _, r := range motion {
			if strings.Contains(r.Trouble, text) {
				return nil
			}
		}
		return want(false, "in motion is %+v", motion)
	})
}

// delivered waits until the service has another key than the one it began with.
func (c *scene) delivered(s daemon.Service) {
	c.t.Helper()
	c.await("a new key for "+s.Name, func() error {
		_, err := os.ReadFile(c.place(s))
		return err
	})
}

// active are the keys of a service that the provider accepts.
func (c *scene) active(s daemon.Service) (keys []daemon.Key) {
	for _, k := range c.e.Keys(s.UserID) {
		if k.Status == "active" {
			keys = append(keys, k)
		}
	}
	return keys
}

// ended waits until a service has one active key, a new one, and the sink has its secret.
func (c *scene) ended(s daemon.Service) {
	c.t.Helper()
	c.await("the end of the rotation for "+s.Name, func() error {
		active := c.active(s)
		if len(active) != 1 || active[0].ID == s.KeyID {
			return want(false, "the active keys are %+v", active)
		}
		secret, err := os.ReadFile(c.place(s))
		if err != nil {
			return err
		}
		k, _ := c.e.KeyOfSecret(string(secret))
		return want(k.ID == active[0].ID, "the sink has key %s and the active one is %s", k.ID, active[0].ID)
	})
}

// goodEnd waits until every service has one active key, a new one that its sink holds, and nothing is left to do or to worry
// about; and it judges the consumers. made is how many keys the provider may have been asked to make for each service; 0 is
// any number.
func (c *scene) goodEnd(made int) {
	c.t.Helper()
	c.goodEndOf(made)
	c.unharmed()
}

// goodEndOf is goodEnd while the consumers go on.
func (c *scene) goodEndOf(made int) {
	c.t.Helper()
	for _, s := range c.services {
		c.ended(s)
	}
	c.await("nothing to be left to do", func() error {
		s := c.d.Status()
		if s.NeedsPerson || len(s.InMotion) > 0 || len(s.Waiting) > 0 || !s.Ready {
			return want(false, "it needs a person for %+v, has in motion %+v, waiting %+v", s.Attention, s.InMotion, s.Waiting)
		}
		p := s.Providers[0]
		return want(p.ScanTrouble == "" && !p.BreakerOpen && p.Orphans == 0, "the provider is %+v", p)
	})
	c.metric(is(1), "rotatord_provider_up", `provider="cc"`)
	c.metric(is(float64(len(c.services))), "rotatord_rotations_total", `provider="cc"`, `result="done"`)
	for _, s := range c.services {
		if n := len(c.e.Keys(s.UserID)) - 1; made > 0 && n != made {
			c.t.Errorf("%d keys were made for %s, want %d: %+v", n, s.Name, made, c.e.Keys(s.UserID))
		}
	}
}

// unharmed judges the consumers: each made calls with its first key and with a new one, and none was refused.
func (c *scene) unharmed() {
	c.t.Helper()
	for _, consumer := range c.consumers {
		daemon.Await(c.t, daemon.Patience, "the consumers to take over the new key", func() error {
			_, secrets := consumer.Calls()
			return want(secrets >= 2, "it used %d", secrets)
		})
		consumer.Stop()
		if bad := consumer.Failures(); bad != "" {
			c.t.Errorf("a consumer was left without a working key:\n%s", bad)
		}
	}
	c.keepsSecrets()
}

// keepsSecrets looks for secrets in what the daemon printed and shows.
func (c *scene) keepsSecrets() {
	c.t.Helper()
	shown := map[string]string{"log": c.d.Logs()}
	for _, path := range []string{"/", "/metrics", "/api/v1/status", "/api/v1/rotations?state=ended"} {
		_, shown[path] = c.d.Get(path)
	}
	for _, secret := range c.e.Secrets() {
		for where, text := range shown {
			if strings.Contains(text, secret) {
				c.t.Errorf("a secret stands in %s", where)
			}
		}
	}
}

// untouched checks that a service still has the key that it began with, and that it works.
func (c *scene) untouched(s daemon.Service) {
	c.t.Helper()
	if k, ok := c.e.Key(s.KeyID); !ok || k.Status != "active" {
		c.t.Errorf("key %s of %s is %q", s.KeyID, s.Name, k.Status)
	}
}

// struck waits until a fault that was ordered has disturbed that many calls.
func (c *scene) struck(name string, times int) {
	c.t.Helper()
	c.await(fmt.Sprintf("%q to strike %d times", name, times), func() error {
		for _, o := range c.e.Orders().List() {
			if o.Name == name {
				return want(o.Hit >= times, "it struck %d times", o.Hit)
			}
		}
		return errors.New("it was not ordered")
	})
}

// manager is the id of the key that the daemon works with: the first in every account.
func (c *scene) manager() int64 { return c.account.Keys(0)[0].ID }

// rotate asks for a rotation of every key.
func (c *scene) rotate() {
	c.t.Helper()
	if out, errs, code := c.d.Command("rotate", "cc/*/deploy"); code != 0 {
		c.t.Fatalf("rotate ends with %d: %s%s", code, out, errs)
	}
}

// ready checks that the daemon lives and serves.
func (c *scene) ready() {
	c.t.Helper()
	for _, path := range []string{"/-/healthy", "/-/ready", "/", "/metrics"} {
		if status, text := c.d.Get(path); status != http.StatusOK {
			c.t.Errorf("%s answers %d: %s", path, status, text)
		}
	}
}
