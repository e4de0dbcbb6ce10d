package faults

import (
	"context"
	"os"
	"syscall"
	"testing"

	"github.com/rotatord/rotatord/test/daemon"
)

// own is a sink whose files have a folder, and so a disk, for each service.
const own = `  - {name: own, type: file, path: "$DIR/own/{{.ServiceUser}}/key", root: $DIR/own}
`

// ownPlace makes the scene look at that sink, and the consumers too.
func ownPlace(c *scene) {
	c.place = func(s daemon.Service) string { return c.d.Path("own/" + s.Name + "/key") }
	for _, s := range c.services {
		c.mkdir("own/" + s.Name)
	}
}

// TestSinkDownForOneKey: the others go on, and nothing of the one is lost or made twice.
func TestSinkDownForOneKey(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		strike  func(t *testing.T, dir string) (repair func())
		says    string
		result  string
		blocked string
	}{
		{"its disk is full", fill, "the disk is full", "transient", ""},
		{"its folder is read-only", func(t *testing.T, dir string) func() {
			remount(t, dir, syscall.MS_RDONLY)
			return func() { remount(t, dir, 0) }
		}, "read-only", "transient", ""},
		{"something else is in its place", func(t *testing.T, dir string) func() {
			if err := os.WriteFile(dir+"/key", []byte("a person's own\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := os.Remove(dir + "/key"); err != nil {
					t.Fatal(err)
				}
			}
		}, "", "conflict", "sink_conflict"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := prepare(t, setting{services: []string{"one", "two", "three"}, sinks: own, sink: "own, disk",
				mounts: map[string]string{"own/one": "size=64k,mode=0700"}})
			ownPlace(c)
			one := c.services[0]
			repair := tc.strike(t, c.d.Path("own/one"))
			// The consumer of the first reads elsewhere: what is in its place is not its key.
			for _, s := range c.services {
				place := c.d.Path("keys/" + s.Name)
				if s != one {
					place = c.place(s)
				}
				c.consume(s, daemon.FileReader(place))
			}
			c.d.Start()
			c.ended(c.services[1])
			c.ended(c.services[2])
			c.metric(atLeast(1), "rotatord_sink_deliveries_total", `sink="own"`, `result="`+tc.result+`"`)
			if tc.blocked != "" {
				c.attention(tc.blocked)
			} else {
				c.trouble(tc.says)
				c.logs(tc.says)
			}
			c.untouched(one)
			c.ready()
			repair()
			c.goodEnd(1)
		})
	}
}

// TestSinkDiskFull: with no byte left nothing is lost, nothing is made twice, and consumers keep what they have.
func TestSinkDiskFull(t *testing.T) {
	t.Parallel()
	c := prepare(t, setting{mounts: map[string]string{"keys": "size=64k,mode=0700"}})
	free := fill(t, c.d.Path("keys"))
	c.begin()
	c.trouble("the disk is full")
	c.logs("the disk is full")
	c.metric(atLeast(2), "rotatord_sink_deliveries_total", `sink="disk"`, `result="transient"`)
	c.metric(is(2), "rotatord_open_rotations", `provider="cc"`, `stage="delivering"`)
	for _, s := range c.services {
		c.untouched(s)
	}
	c.ready()
	free()
	c.goodEnd(1)
}

// TestSinkReadOnlyInTheGracePeriod: what is there can be read, so the rotation ends; the next one waits.
func TestSinkReadOnlyInTheGracePeriod(t *testing.T) {
	t.Parallel()
	c := start(t, setting{mounts: map[string]string{"keys": "size=64k,mode=0700"}, timing: "max_age: 1h, renew_before: 50m, grace: 3s, idle: 0s"})
	for _, s := range c.services {
		c.delivered(s)
	}
	remount(t, c.d.Path("keys"), syscall.MS_RDONLY)
	for _, s := range c.services {
		c.ended(s)
	}
	c.goodEndOf(1)
	c.rotate()
	c.trouble("read-only")
	c.metric(atLeast(1), "rotatord_sink_deliveries_total", `sink="disk"`, `result="transient"`)
	remount(t, c.d.Path("keys"), 0)
	c.await("the second rotation of each", func() error {
		done, _ := c.d.Metric("rotatord_rotations_total", `provider="cc"`, `result="done"`)
		return want(done == 4, "%v are done", done)
	})
	c.unharmed()
}

// TestSinkEmptied: somebody deletes the delivered files in the grace period. The old key is not revoked, and a person is told.
func TestSinkEmptied(t *testing.T) {
	t.Parallel()
	c := prepare(t, setting{services: []string{"ci-build"}, timing: "max_age: 1h, renew_before: 50m, grace: 4s, idle: 0s"})
	s := c.services[0]
	c.consume(s, func(context.Context) (string, error) { return s.Secret, nil }) // keeps the old key in memory
	c.d.Start()
	c.delivered(s)
	if err := os.Remove(c.place(s)); err != nil {
		t.Fatal(err)
	}
	c.attention("sink_mismatch")
	c.metric(is(1), "rotatord_rotations_blocked", `provider="cc"`, `reason="sink_mismatch"`)
	c.untouched(s)
	c.consumers[0].Stop()
	if bad := c.consumers[0].Failures(); bad != "" {
		t.Errorf("the old key was refused: %s", bad)
	}
}
