// Package sinktest is the conformance suite of sinks: what [rotator.Sink] promises, asked of a real destination.
//
// A sink's own tests call [Run] with a [Harness], and test beside it what is particular to their destination.
package sinktest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/rotator"
)

// Harness is a destination under test. Its functions are called from several goroutines.
type Harness struct {
	// Sink delivers to paths made of .Provider and .ServiceUser.
	Sink rotator.Sink
	// Adopting is the same sink, set to take over what others wrote.
	Adopting rotator.Sink
	// Stopping returns the same sink once more, which fails for good at its n-th change of the destination (counted from 0, and
	// from before and after each where that differs), as when the process ended there. Stopped says whether it came to that.
	Stopping func(t testing.TB, n int) (sink rotator.Sink, stopped func() bool)
	// Read reads as a consumer does, with none of the sink's own code.
	Read func(location string) (secret string, present bool, err error)
	// Overwrite puts something else there, as somebody who knows nothing of rotatord would.
	Overwrite func(location, value string) error
	// Remove deletes what a consumer reads, as a person would.
	Remove func(location string) error
	// Forgets is true where a removal takes the mark with it, so that nobody can tell what was there.
	Forgets bool
}

// plant is in every secret of the suite: where it shows up, a secret leaked.
const plant = "S3CR3T"

// Run asks a sink for everything that the contract promises. Each case gets a harness of its own.
func Run(t *testing.T, start func(t *testing.T) Harness) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Harness)
	}{
		{"nothing there", nothingThere},
		{"deliver, then observe", deliverThenObserve},
		{"same delivery again", sameAgain},
		{"newer replaces older", newerReplaces},
		{"older never replaces newer", olderNeverReplaces},
		{"same version with another secret", otherSecret},
		{"empty secret", emptySecret},
		{"foreign content is left alone", foreignLeftAlone},
		{"changed content is left alone", changedLeftAlone},
		{"adopting", adopting},
		{"deleted, then delivered again", deletedThenAgain},
		{"older after a deletion", olderAfterDeletion},
		{"stopped at every change", stoppedEverywhere},
		{"reader sees whole versions", readerSeesWhole},
		{"names that lead astray", namesAstray},
		{"locations of others", foreignLocations},
		{"distinct locations", distinctLocations},
		{"odd secrets", oddSecrets},
		{"nothing leaks", nothingLeaks},
		{"cancelled", cancelled},
		{"many at once", manyAtOnce},
		{"many at once in one place", manyInOnePlace},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, start(t)) })
	}
}

func coordinates(user string) rotator.Coordinates {
	return rotator.Coordinates{Provider: "emulated", UserID: "id-" + user, ServiceUser: user, Credential: "ci"}
}

// delivery makes the delivery of a version. Its secret, rotation and fingerprint follow from user and version.
func delivery(t testing.TB, s rotator.Sink, user string, version int) rotator.Delivery {
	t.Helper()
	location, err := s.Location(coordinates(user))
	if err != nil {
		t.Fatalf("locate %s: %v", user, err)
	}
	return rotator.Delivery{
		Coordinates: coordinates(user), Location: location, Version: version,
		KeyID: fmt.Sprintf("key-%d", version), KeyName: rotator.KeyName("ci", version),
		Rotation: fmt.Sprintf("rotation-%d", version), Fingerprint: fmt.Sprintf("fingerprint-%d", version),
		Secret: rotator.SecretString(secretOf(user, version)),
	}
}

func secretOf(user string, version int) string {
	return fmt.Sprintf("%s/%s/%d/%s", plant, user, version, strings.Repeat("x", 64))
}

func deliver(t testing.TB, s rotator.Sink, d rotator.Delivery) {
	t.Helper()
	if _, err := s.Deliver(t.Context(), d); err != nil {
		t.Fatalf("deliver version %d to %s: %v", d.Version, d.Location, err)
	}
}

// refused delivers what must not be taken.
func refused(t testing.TB, s rotator.Sink, d rotator.Delivery, want rotator.Kind) {
	t.Helper()
	_, err := s.Deliver(t.Context(), d)
	if err == nil || rotator.KindOf(err) != want {
		t.Fatalf("delivery of version %d to %s ended with %v; want a fault of kind %s", d.Version, d.Location, err, want)
	}
	noLeak(t, "the error", err.Error())
}

// holds checks what a consumer reads and what the sink says of it.
func (h Harness) holds(t testing.TB, d rotator.Delivery) {
	t.Helper()
	h.reads(t, d.Location, string(d.Secret.Reveal()))
	got := observe(t, h.Sink, d)
	if !got.Present || !got.Ours || got.Version != d.Version || got.Rotation != d.Rotation || got.Fingerprint != d.Fingerprint {
		t.Errorf("observed %+v; want version %d of %s", got, d.Version, d.Rotation)
	}
	if !got.Secret.Equal(d.Secret) {
		t.Errorf("the observed secret of %s is not the one that was delivered", d.Location)
	}
}

func (h Harness) reads(t testing.TB, location, want string) {
	t.Helper()
	got, present, err := h.Read(location)
	if err != nil || !present || got != want {
		t.Errorf("a consumer reads %q (present %t), %v at %s; want %q", got, present, err, location, want)
	}
}

func observe(t testing.TB, s rotator.Sink, d rotator.Delivery) rotator.Observation {
	t.Helper()
	got, err := s.Observe(t.Context(), d.Coordinates, d.Location)
	if err != nil {
		t.Fatalf("observe %s: %v", d.Location, err)
	}
	return got
}

func (h Harness) overwrite(t testing.TB, location, value string) {
	t.Helper()
	if err := h.Overwrite(location, value); err != nil {
		t.Fatalf("write to %s as somebody else: %v", location, err)
	}
}

func (h Harness) remove(t testing.TB, location string) {
	t.Helper()
	if err := h.Remove(location); err != nil {
		t.Fatalf("remove %s as somebody else: %v", location, err)
	}
}

func noLeak(t testing.TB, what, text string) {
	t.Helper()
	if strings.Contains(text, plant) {
		t.Errorf("%s holds the secret: %s", what, text)
	}
}
