package realfaults

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"

	_ "modernc.org/sqlite" // the driver named "sqlite"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/test/daemon"
)

// copied is where a copy of the journal is kept.
const copied = "backup.db"

// vacuum copies the journal of the running daemon as the documentation says.
func (x *site) vacuum() {
	x.t.Helper()
	db, err := sql.Open("sqlite", "file:"+x.d.StorePath+"?mode=ro")
	if err != nil {
		x.t.Fatal(err)
	}
	defer db.Close() // it was only read
	if _, err := db.ExecContext(x.t.Context(), "VACUUM INTO ?", x.d.Path(copied)); err != nil {
		x.t.Fatalf("copy the journal: %v", err)
	}
}

// copyFiles copies the journal's files as a snapshot of the disk does: the daemon stands still meanwhile, and is not asked.
func (x *site) copyFiles() {
	x.t.Helper()
	x.d.Signal(syscall.SIGSTOP)
	defer x.d.Signal(syscall.SIGCONT)
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(x.d.StorePath + suffix)
		if errors.Is(err, fs.ErrNotExist) && suffix != "" {
			continue
		}
		if err != nil {
			x.t.Fatal(err)
		}
		x.d.WriteFile(copied+suffix, string(content))
	}
}

// restore puts the copy in the place of the journal, as an operator does.
func (x *site) restore() {
	x.t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(x.d.StorePath + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			x.t.Fatal(err)
		}
		err := os.Rename(x.d.Path(copied+suffix), x.d.StorePath+suffix)
		if err != nil && (suffix == "" || !errors.Is(err, fs.ErrNotExist)) {
			x.t.Fatal(err)
		}
	}
}

// reach is how far a rotation is when the journal is copied.
type reach struct {
	name  string
	stage rotator.Stage // empty for no rotation
	// hold stops the rotation there, before its effect or after it.
	hold  string
	after bool
}

var reaches = []reach{
	{name: "before a rotation"},
	{"before the key is made", rotator.StageMinting, daemon.RequestMint, false},
	{"after the key is made", rotator.StageMinting, daemon.RequestMint, true},
	{"before the key is tried", rotator.StageTesting, daemon.RequestCheck, false},
	{"while the key is delivered", rotator.StageDelivering, "", false},
	{"in the grace period", rotator.StageGrace, "", false},
	{"before the old key is revoked", rotator.StageRevoking, daemon.RequestRevoke, false},
	{"after the old key is revoked", rotator.StageRevoking, daemon.RequestRevoke, true},
}

// TestRestore restores a copy of the journal from each point of a rotation into a world in which that rotation has ended, and
// into one in which another has come after it. Nothing is revoked that a sink holds; what differs is said; rotations go on.
func TestRestore(t *testing.T) {
	t.Parallel()
	for i, r := range reaches {
		for _, later := range []int{0, 1, 2} {
			t.Run(fmt.Sprintf("%s and %d more", r.name, later), func(t *testing.T) {
				t.Parallel()
				restored(t, r, later, (i+later)%2 == 0)
			})
		}
	}
}

func restored(t *testing.T, r reach, later int, snapshot bool) {
	x := prepare(t, setting{
		timing: "max_age: 48h, renew_before: 1h, grace: 2s, idle: 0s", sink: "disk, spare",
		sinks: "  - {name: spare, type: file, path: \"$DIR/spare/{{.ServiceUser}}\"}\n",
	})
	s := x.services[0]
	x.begin()
	x.sees()
	x.rotate()
	x.ended(s, s.KeyID)
	x.quiet()
	goOn := x.reach(r)
	if snapshot {
		x.copyFiles()
	} else {
		x.vacuum()
	}
	goOn()
	x.quiet()
	for range later {
		x.rotateWhole()
	}
	before, err := x.held(s)
	if err != nil {
		t.Fatal(err)
	}
	x.d.Stop()
	x.restore()
	x.d.Start()
	if r.stage == rotator.StageDelivering && later > 0 {
		// The one thing that is left to a person: the sink holds a later key, and refuses the one that is still to be delivered.
		x.attention("sink_conflict")
		x.logs("is older: it does not replace it")
		x.rotate("--start-over")
		x.await("another key", func() error {
			now, err := x.held(s)
			return errors.Join(err, want(now.ID != before.ID && now.Status == daemon.KeyActive, "the sink holds %+v", now))
		})
		x.quiet()
		// The key that the sink held is not in the journal, so it is not revoked either: a person does that.
		if k, _ := x.e.Key(before.ID); k.Status != daemon.KeyActive {
			t.Errorf("key %s, which the journal does not know, is %s", k.ID, k.Status)
		}
		x.unharmed()
		return
	}
	if r.stage == "" && later > 0 {
		x.logs("the journal does not know of them")
	}
	x.quiet()
	if now, err := x.held(s); err != nil || now.Status != daemon.KeyActive {
		t.Fatalf("the sink held key %s before, and holds %+v, %v, of %+v", before.ID, now, err, x.e.Keys(s.UserID))
	}
	x.rotateWhole()
	x.unharmed()
}

// sees waits until the first scan has seen every service user's key.
func (x *site) sees() {
	x.t.Helper()
	x.await("the first scan", func() error {
		p := x.d.Status().Providers[0]
		return want(p.KeysByState["managed"] == len(x.services), "it is %+v", p)
	})
}

// rotateWhole replaces the key of the first service user from beginning to end.
func (x *site) rotateWhole() {
	x.t.Helper()
	before, err := x.held(x.services[0])
	if err != nil {
		x.t.Fatal(err)
	}
	x.rotate()
	x.ended(x.services[0], before.ID)
	x.quiet()
}

// reach begins a rotation and takes it to that point; what it returns lets it go on from there.
func (x *site) reach(r reach) (goOn func()) {
	x.t.Helper()
	switch {
	case r.stage == "":
		return func() {}
	case r.hold != "":
		g := x.hold(r.hold, r.after)
		x.rotate()
		g.await(x)
		x.stage(r.stage)
		return func() { close(g.open) }
	case r.stage == rotator.StageDelivering:
		return x.inTheWay()
	default:
		x.rotate()
		x.stage(r.stage)
		return func() {}
	}
}

// inTheWay begins a rotation whose second sink cannot take the key, until what is in its way goes.
func (x *site) inTheWay() (goOn func()) {
	x.t.Helper()
	aside := x.d.Path("aside")
	if err := os.Rename(x.d.Path("spare"), aside); err != nil {
		x.t.Fatal(err)
	}
	if err := os.WriteFile(x.d.Path("spare"), nil, 0o600); err != nil {
		x.t.Fatal(err)
	}
	x.rotate()
	x.stage(rotator.StageDelivering)
	x.logs("disk holds the new key; spare does not")
	return func() {
		if err := errors.Join(os.Remove(x.d.Path("spare")), os.Rename(aside, x.d.Path("spare"))); err != nil {
			x.t.Fatalf("clear the way to the sink: %v", err)
		}
	}
}

// stage waits until the rotation is at a stage.
func (x *site) stage(want rotator.Stage) {
	x.t.Helper()
	x.await("stage "+string(want), func() error {
		open, _ := x.d.Rotations()
		if len(open) != 1 || open[0].Stage != string(want) {
			return fmt.Errorf("open are %+v", open)
		}
		return nil
	})
}
