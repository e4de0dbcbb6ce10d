package realfaults

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rotatord/rotatord/test/daemon"
)

// clock is the clock of one process, of the real binary as it is. Programs ask for the time in a page of code that the kernel
// lends them, the vDSO; a process's own copy of it is changed, as a debugger does. What it measures spans with stays right, as
// it does when somebody sets a machine's clock.
type clock struct {
	t      *testing.T
	memory *os.File
	offset int64 // the address of the seconds that are added
}

// The functions of the vDSO that Go calls, and one that it does not, which makes room.
const (
	vdsoUsed  = "__vdso_clock_gettime"
	vdsoSpare = "__vdso_gettimeofday"
)

// clockOf takes the clock of the running daemon in hand.
func clockOf(x *site) *clock {
	x.t.Helper()
	if len(vdsoClock) == 0 {
		x.t.Fatalf("this test steps the clock of one process by a little machine code, which is there for amd64 and not for %s", runtime.GOARCH)
	}
	pid := x.d.PID()
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		x.t.Fatalf("this test steps the clock of one process, for which it has to write into its memory, and may not: %v\nrun it as root", err)
	}
	x.t.Cleanup(func() { _ = memory.Close() })
	base, size := vdsoOf(x.t, pid)
	image := make([]byte, size)
	if _, err := memory.ReadAt(image, base); err != nil {
		x.t.Fatalf("read the vDSO of process %d: %v", pid, err)
	}
	used, spare := vdsoSymbols(x.t, image)
	if int(spare.Size) < len(vdsoClock)+8 {
		x.t.Fatalf("%s has %d bytes, too few to put %d in their place", vdsoSpare, spare.Size, len(vdsoClock)+8)
	}
	c := &clock{t: x.t, memory: memory, offset: base + int64(spare.Value) + int64(len(vdsoClock))}
	jump := vdsoJump(int32(spare.Value) - int32(used.Value) - 5)
	x.d.Signal(syscall.SIGSTOP)
	defer x.d.Signal(syscall.SIGCONT)
	c.write(base+int64(spare.Value), append(bytes.Clone(vdsoClock), make([]byte, 8)...))
	c.write(base+int64(used.Value), jump)
	return c
}

func vdsoOf(t *testing.T, pid int) (base, size int64) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		var end int64
		if strings.HasSuffix(strings.TrimSpace(line), "[vdso]") {
			if _, err := fmt.Sscanf(line, "%x-%x", &base, &end); err == nil {
				return base, end - base
			}
		}
	}
	t.Fatalf("process %d has no vDSO whose clock could be stepped", pid)
	return 0, 0
}

func vdsoSymbols(t *testing.T, image []byte) (used, spare elf.Symbol) {
	t.Helper()
	file, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatalf("read the vDSO: %v", err)
	}
	symbols, err := file.DynamicSymbols()
	if err != nil {
		t.Fatalf("read the vDSO: %v", err)
	}
	for _, s := range symbols {
		switch s.Name {
		case vdsoUsed:
			used = s
		case vdsoSpare:
			spare = s
		}
	}
	if used.Value == 0 || spare.Value == 0 {
		t.Fatalf("the vDSO has not both %s and %s: %+v", vdsoUsed, vdsoSpare, symbols)
	}
	return used, spare
}

func (c *clock) write(at int64, code []byte) {
	c.t.Helper()
	if _, err := io.NewOffsetWriter(c.memory, at).Write(code); err != nil {
		c.t.Fatalf("step the clock of the daemon: %v", err)
	}
}

// step sets the clock that far ahead of the true time, or behind it.
func (c *clock) step(ahead time.Duration) {
	c.t.Helper()
	c.write(c.offset, binary.NativeEndian.AppendUint64(nil, uint64(ahead/time.Second))) // two's complement is meant
}

// sees waits until the daemon's clock is that far ahead.
func (x *site) clockIs(ahead time.Duration) {
	x.t.Helper()
	x.await("the daemon's clock to be "+ahead.String()+" ahead", func() error {
		now := x.d.Status().Now
		return want(time.Until(now.Add(-ahead)).Abs() < 10*time.Second, "it is %s", now)
	})
}

const (
	year    = 400 * 24 * time.Hour
	stepped = 2 * time.Hour
)

// TestClockStepped steps the clock while nothing is due: whatever the jump, nothing is rotated and nothing revoked; and once the
// clock is right again, everything goes on by itself.
func TestClockStepped(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{stepped, -stepped, year, -year} {
		t.Run(ahead.String(), func(t *testing.T) {
			t.Parallel()
			x := prepare(t, setting{services: 3, timing: asked})
			x.begin()
			x.sees()
			c := clockOf(x)
			c.step(ahead)
			x.clockIs(ahead)
			x.scans(ahead)
			if ahead == year {
				x.attention("clock_skew")
			}
			x.unchanged()
			c.step(0)
			x.clockIs(0)
			x.quiet()
			x.rotate()
			x.goodEnd(1)
		})
	}
}

// TestClockSetBetweenScans steps the clock of a daemon that scans once a day: each time it sees so by itself, and asks the provider at once
// whether the clock is right now. What a wrong clock stopped goes on when it is.
func TestClockSetBetweenScans(t *testing.T) {
	t.Parallel()
	x := prepare(t, setting{timing: asked, every: "24h"})
	x.begin()
	x.sees()
	c := clockOf(x)
	for _, ahead := range []time.Duration{stepped, 0, -stepped} {
		before := x.d.Status().Providers[0].LastScan
		c.step(ahead)
		x.await("a scan by a clock that is "+ahead.String()+" ahead", func() error {
			last := x.d.Status().Providers[0].LastScan
			return want(!last.Equal(before) && time.Until(last.Add(-ahead)).Abs() < time.Minute, "the last one was at %s", last)
		})
	}
	x.rotate()
	x.attention("clock_skew")
	c.step(0)
	x.goodEnd(1)
}

// scans waits for some scans by a clock that is that far ahead.
func (x *site) scans(ahead time.Duration) {
	x.t.Helper()
	for range 3 {
		before := x.d.Status().Providers[0].LastScan
		x.await("another scan", func() error {
			last := x.d.Status().Providers[0].LastScan
			return want(!last.Equal(before) && time.Until(last.Add(-ahead)).Abs() < 10*time.Second, "the last one was at %s", last)
		})
	}
}

// unchanged checks that every service has its first key and no other.
func (x *site) unchanged() {
	x.t.Helper()
	for _, s := range x.services {
		if keys := x.e.Keys(s.UserID); len(keys) != 1 || keys[0].Status != daemon.KeyActive {
			x.t.Errorf("with a wrong clock, the keys of %s have become %+v", s.Name, keys)
		}
	}
}

// TestClockSteppedInARotation steps the clock between delivery and revocation, and before: grace lasts as long as it should.
func TestClockSteppedInARotation(t *testing.T) {
	t.Parallel()
	const grace = 6 * time.Second
	for _, ahead := range []time.Duration{stepped, -stepped, year, -year} {
		for _, when := range []string{"in the grace period", "before the delivery"} {
			t.Run(when+" by "+ahead.String(), func(t *testing.T) {
				t.Parallel()
				x := prepare(t, setting{timing: "max_age: 48h, renew_before: 1h, grace: 6s, idle: 0s"})
				x.begin()
				x.sees()
				c, s := clockOf(x), x.services[0]
				if when == "before the delivery" {
					g := x.hold(daemon.RequestCheck, false)
					x.rotate()
					g.await(x)
					c.step(ahead)
					close(g.open)
				} else {
					x.rotate()
				}
				x.await("the delivery", func() error { _, err := x.held(s); return err })
				delivered := time.Now()
				c.step(ahead)
				x.clockIs(ahead)
				x.whileWrong(ahead, delivered.Add(grace+2*time.Second))
				right := time.Now()
				c.step(0)
				x.goodEnd(1)
				old, _ := x.e.Key(s.KeyID)
				if when == "before the delivery" && old.Ended.Sub(right) < grace || old.Ended.Sub(delivered) < grace {
					t.Errorf("delivered at %s, the clock right from %s, the old key ended at %s: grace is %s", delivered, right, old.Ended, grace)
				}
			})
		}
	}
}

// whileWrong watches the old key until then.
func (x *site) whileWrong(ahead time.Duration, until time.Time) {
	x.t.Helper()
	x.await("the end of the wrong time", func() error {
		if k, _ := x.e.Key(x.services[0].KeyID); k.Status != daemon.KeyActive {
			x.t.Fatalf("with a clock that is %s ahead the old key became %s", ahead, k.Status)
		}
		return want(time.Now().After(until), "it is not over")
	})
}
