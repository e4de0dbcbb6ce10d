package sinktest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/rotator"
)

func nothingThere(t *testing.T, h Harness) {
	if got := observe(t, h.Sink, delivery(t, h.Sink, "robot", 1)); got.Present || got.Ours || got.Version != 0 || !got.Secret.Empty() {
		t.Errorf("nothing is observed as %+v", got)
	}
}

func deliverThenObserve(t *testing.T, h Harness) {
	d := delivery(t, h.Sink, "robot", 1)
	receipt, err := h.Sink.Deliver(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(receipt.Detail, "robot") {
		t.Errorf("the receipt %q does not say where", receipt.Detail)
	}
	h.holds(t, d)
	got := observe(t, h.Sink, d)
	got.Secret.Wipe()
	h.holds(t, d) // the observer got a copy of its own
}

func sameAgain(t *testing.T, h Harness) {
	d := delivery(t, h.Sink, "robot", 3)
	for range 3 {
		deliver(t, h.Sink, d)
		h.holds(t, d)
	}
	deliver(t, h.Adopting, d)
	h.holds(t, d)
}

func newerReplaces(t *testing.T, h Harness) {
	for _, version := range []int{1, 2, 7} {
		d := delivery(t, h.Sink, "robot", version)
		deliver(t, h.Sink, d)
		h.holds(t, d)
	}
}

func olderNeverReplaces(t *testing.T, h Harness) {
	newer := delivery(t, h.Sink, "robot", 5)
	deliver(t, h.Sink, newer)
	refused(t, h.Sink, delivery(t, h.Sink, "robot", 4), rotator.Conflict)
	refused(t, h.Adopting, delivery(t, h.Sink, "robot", 4), rotator.Conflict)
	h.holds(t, newer)
}

func otherSecret(t *testing.T, h Harness) {
	first := delivery(t, h.Sink, "robot", 2)
	deliver(t, h.Sink, first)
	second := first
	second.Secret, second.Fingerprint = rotator.SecretString(plant+" of another writer"), "another"
	refused(t, h.Sink, second, rotator.Conflict)
	h.holds(t, first)
}

func emptySecret(t *testing.T, h Harness) {
	d := delivery(t, h.Sink, "robot", 1)
	deliver(t, h.Sink, d)
	empty := delivery(t, h.Sink, "robot", 2)
	empty.Secret = rotator.Secret{}
	refused(t, h.Sink, empty, rotator.Invalid)
	refused(t, h.Adopting, empty, rotator.Invalid)
	h.holds(t, d)
}

func foreignLeftAlone(t *testing.T, h Harness) {
	d := delivery(t, h.Sink, "robot", 1)
	h.overwrite(t, d.Location, "written by a person")
	for range 2 {
		refused(t, h.Sink, d, rotator.Conflict)
		h.reads(t, d.Location, "written by a person")
	}
	if got := observe(t, h.Sink, d); !got.Present || got.Ours {
		t.Errorf("a person's content is observed as %+v", got)
	}
	_, err := h.Sink.Deliver(t.Context(), d)
	for _, part := range []string{d.Location, "adopt_existing", "remove it"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error %q does not say %q", err, part)
		}
	}
}

func changedLeftAlone(t *testing.T, h Harness) {
	first := delivery(t, h.Sink, "robot", 1)
	deliver(t, h.Sink, first)
	h.overwrite(t, first.Location, "changed by a person")
	refused(t, h.Sink, first, rotator.Conflict)
	refused(t, h.Sink, delivery(t, h.Sink, "robot", 2), rotator.Conflict)
	h.reads(t, first.Location, "changed by a person")
	if got := observe(t, h.Sink, first); !got.Present || got.Ours || got.Secret.Equal(first.Secret) {
		t.Errorf("changed content is observed as %+v", got)
	}
}

func adopting(t *testing.T, h Harness) {
	d := delivery(t, h.Sink, "robot", 1)
	h.overwrite(t, d.Location, "written by a person")
	deliver(t, h.Adopting, d)
	h.holds(t, d)
	h.overwrite(t, d.Location, "changed by a person")
	next := delivery(t, h.Sink, "robot", 2)
	deliver(t, h.Adopting, next)
	h.holds(t, next)
	last := delivery(t, h.Sink, "robot", 3)
	deliver(t, h.Sink, last) // what was adopted is ours
	h.holds(t, last)
}

func deletedThenAgain(t *testing.T, h Harness) {
	for version := 1; version <= 2; version++ {
		d := delivery(t, h.Sink, "robot", version)
		deliver(t, h.Sink, d)
		h.remove(t, d.Location)
		if got := observe(t, h.Sink, d); got.Present {
			t.Fatalf("what was removed is observed as %+v", got)
		}
		deliver(t, h.Sink, d)
		h.holds(t, d)
	}
	d := delivery(t, h.Sink, "robot", 3)
	h.remove(t, d.Location)
	deliver(t, h.Sink, d)
	h.holds(t, d)
}

func olderAfterDeletion(t *testing.T, h Harness) {
	newer := delivery(t, h.Sink, "robot", 5)
	deliver(t, h.Sink, newer)
	h.remove(t, newer.Location)
	if h.Forgets {
		deliver(t, h.Sink, delivery(t, h.Sink, "robot", 4))
		h.holds(t, delivery(t, h.Sink, "robot", 4))
		return
	}
	refused(t, h.Sink, delivery(t, h.Sink, "robot", 4), rotator.Conflict)
	if got := observe(t, h.Sink, newer); got.Present {
		t.Errorf("after a refused delivery there is %+v", got)
	}
}

func namesAstray(t *testing.T, h Harness) {
	for _, name := range []string{"", ".", "..", "../x", "a/b", "/etc/passwd", `..\x`, ".hidden", "a\x00b", "a\nb", "a\xffb", strings.Repeat("a", 5000)} {
		got, err := h.Sink.Location(coordinates(name))
		if rotator.KindOf(err) != rotator.Invalid || got != "" && err == nil {
			t.Errorf("the name %.20q gives %.80q, %v; want a fault of kind invalid", name, got, err)
		}
	}
}

func foreignLocations(t *testing.T, h Harness) {
	d := delivery(t, h.Sink, "robot", 1)
	for _, location := range []string{"", "/", "elsewhere", "/elsewhere/robot", d.Location + "/../../../../x", d.Location + "/", d.Location + "\x00"} {
		d.Location = location
		refused(t, h.Sink, d, rotator.Invalid)
		if _, err := h.Sink.Observe(t.Context(), d.Coordinates, location); rotator.KindOf(err) != rotator.Invalid {
			t.Errorf("observing %q gave %v; want a fault of kind invalid", location, err)
		}
	}
}

func distinctLocations(t *testing.T, h Harness) {
	users := []string{"robot", "Robot", "robot 2", "robot-2", "ci@example.com", "rôle"}
	for i, user := range users {
		deliver(t, h.Sink, delivery(t, h.Sink, user, i+1))
	}
	for i, user := range users {
		h.holds(t, delivery(t, h.Sink, user, i+1))
	}
}

func oddSecrets(t *testing.T, h Harness) {
	for i, odd := range []string{
		"line\nbreak", "\n", "ends with newline\n", "carriage\r\nreturn", " space ", "tab\t", `"quoted"`, `'single'`, "$HOME ${x} $(id)", "`id`",
		`back\slash\`, `\\\"`, `{"json":true}`, "<a href=\"&\">", "{{.Secret}}", "naïve 漢字 🔑", "\u2028\u2029\ufeff", "#comment", "=", "%s%d%!", "!history",
		strings.Repeat("4 KiB of it\n\"$", 293),
	} {
		d := delivery(t, h.Sink, fmt.Sprintf("odd-%d", i), 1)
		d.Secret = rotator.SecretString(odd)
		deliver(t, h.Sink, d)
		h.holds(t, d)
	}
}

func nothingLeaks(t *testing.T, h Harness) {
	d := delivery(t, h.Sink, "robot", 2)
	receipt, err := h.Sink.Deliver(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	noLeak(t, "the receipt", fmt.Sprintf("%+v", receipt))
	got := observe(t, h.Sink, d)
	noLeak(t, "the observation", fmt.Sprintf("%v %+v %#v", got, got, got))
	noLeak(t, "the sink", fmt.Sprintf("%+v %#v", h.Sink, h.Sink))
	refused(t, h.Sink, delivery(t, h.Sink, "robot", 1), rotator.Conflict)
	h.overwrite(t, d.Location, plant)
	refused(t, h.Sink, d, rotator.Conflict)
}

func cancelled(t *testing.T, h Harness) {
	d := delivery(t, h.Sink, "robot", 1)
	deliver(t, h.Sink, d)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	next := delivery(t, h.Sink, "robot", 2)
	_, err := h.Sink.Deliver(ctx, next)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled delivery ended with %v", err)
	}
	if _, err := h.Sink.Observe(ctx, d.Coordinates, d.Location); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled observation ended with %v", err)
	}
	if _, ok := errors.AsType[*rotator.Fault](err); !ok {
		t.Errorf("the error %v is no fault", err)
	}
	h.holds(t, d)
}
