package demo

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
)

// story tells what happens, a line an event.
type story struct {
	engine.Unobserved
	out    io.Writer
	colour bool
	began  time.Time
	person *person

	mu    sync.Mutex
	known map[string]bool
	done  map[string]int // rotations that ended well, by provider
}

func newStory(out io.Writer, colour bool) *story {
	return &story{out: out, colour: colour, began: time.Now(), known: map[string]bool{}, done: map[string]int{}}
}

func (s *story) begin(d time.Duration, page, keys string, systems []*system, vault string) {
	if vault == "" {
		vault = "none (try --vault-address)"
	}
	s.printf("rotatord demo: %s with keys that live 45 seconds instead of 90 days\n\n", d)
	for _, sys := range systems {
		s.printf("  %-12s %s (an emulated %s)\n", sys.name, sys.address, sys.title)
	}
	s.printf(`  files        %s
  vault        %s
  page         http://%s/

Consumers call their system with their keys all the time and read the key's file every %s. What only a person
can do in dataspot's page, the demo does as that person.

`, keys, vault, page, consumerReads)
}

func (s *story) printf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(s.out, format, args...) // the terminal may be gone; the demo goes on
}

// tell prints one event.
func (s *story) tell(credential, what, text string) {
	word := fmt.Sprintf("%-10s", what)
	if s.colour {
		word = "\x1b[" + colours[what] + "m" + word + "\x1b[0m"
	}
	s.printf("%6.1fs  %-9s %s %s\n", time.Since(s.began).Seconds(), credential, word, text)
}

var colours = map[string]string{
	"due": "33", "lost": "31", "asked": "36", "minted": "36", "proven": "36", "delivered": "32", "overlap": "34", "consumer": "90", "waiting": "33", "asks": "35", "person": "35;1", "off": "34",
	"revoked": "32;1", "trouble": "31", "REFUSED": "31;1",
}

// Moved implements [engine.Observer].
func (s *story) Moved(before rotator.Stage, r *rotator.Rotation, note string) {
	if before == r.Stage {
		s.stayed(r)
		return
	}
	switch r.Stage {
	case rotator.StagePlanned:
		if before == "" {
			s.tell(r.Base, "due", fmt.Sprintf("%s key %s must be gone at %s (%s): rotation %s is planned",
				r.Provider, named(r.OldKey), r.Deadline.Local().Format(time.TimeOnly), reasons[r.Reason], r.ID))
		} else {
			s.tell(r.Base, "asked", note)
		}
	case rotator.StageMinted:
		s.tell(r.Base, "minted", fmt.Sprintf("key %s is sealed into the journal, fingerprint %s", named(r.NewKey), r.Fingerprint))
	case rotator.StageDelivering:
		s.tell(r.Base, "proven", fmt.Sprintf("key %s authenticates at the provider", named(r.NewKey)))
	case rotator.StageConfirmed:
		s.tell(r.Base, "delivered", "read back from "+sinkNames(r)+": the fingerprint matches; the sealed copy is erased")
	case rotator.StageGrace:
		s.tell(r.Base, "overlap", fmt.Sprintf("keys %s and %s both work until %s", named(r.OldKey), named(r.NewKey), r.GraceUntil.Local().Format(time.TimeOnly)))
	case rotator.StageSoaking:
		s.tell(r.Base, "off", fmt.Sprintf("key %s is switched off and can be brought back until %s", named(r.OldKey), r.SoakUntil.Local().Format(time.TimeOnly)))
	case rotator.StageDone:
		s.mu.Lock()
		s.done[r.Provider]++
		s.mu.Unlock()
		s.tell(r.Base, "revoked", fmt.Sprintf("key %s: every sink read back, the new key tried, %s", named(r.OldKey), ended(r)))
	case rotator.StageAbandoned:
		s.tell(r.Base, "trouble", "abandoned: "+r.Why)
	}
}

// reasons are words for why a key is due.
var reasons = map[rotator.Reason]string{rotator.ReasonMaxAge: "its maximal age", rotator.ReasonExpiring: "it expires"}

func ended(r *rotator.Rotation) string {
	if r.Provider == "dataspot" {
		return "the old one removed by a person"
	}
	return "the old one idle"
}

// named tells keys apart: by name, and by id where that is short enough to be read.
func named(k rotator.KeyRef) string {
	if k.ID == "" || len(k.ID) > 12 {
		return k.Name
	}
	return k.Name + " (" + k.ID + ")"
}

// gist is the beginning of a long text; the page has all of it.
func gist(text string) string {
	const most = 150
	if len(text) <= most {
		return text
	}
	return text[:strings.LastIndex(text[:most], " ")] + " … (the rest is on the page)"
}

// stayed tells of the first time that a rotation waits for something.
func (s *story) stayed(r *rotator.Rotation) {
	s.mu.Lock()
	key := r.ID + string(r.Stage) + string(r.Blocked)
	first := !s.known[key]
	s.known[key] = true
	s.mu.Unlock()
	switch {
	case !first || r.Trouble == "":
	case r.Stage == rotator.StageTesting && r.Blocked == "":
		s.tell(r.Base, "waiting", fmt.Sprintf("the provider does not accept key %s yet; no sink sees it before it works", named(r.NewKey)))
	case r.Blocked == rotator.BlockAwaitingSupply, r.Blocked == rotator.BlockAwaitingRemoval:
		s.tell(r.Base, "asks", gist(r.Trouble))
		s.person.ask(r)
	case r.Stage == rotator.StageMinting:
		s.tell(r.Base, "lost", "the connection broke while the key was made; asking the provider what happened, not for another key")
	default:
		s.tell(r.Base, "waiting", r.Trouble)
	}
}

func sinkNames(r *rotator.Rotation) string {
	names := make([]string, len(r.Sinks))
	for i, k := range r.Sinks {
		names[i] = k.Sink
	}
	return strings.Join(names, " and ")
}

// Scanned implements [engine.Observer].
func (s *story) Scanned(provider string, res engine.ScanResult, _ time.Duration, err error) {
	if err != nil {
		s.tell(provider, "trouble", "the scan failed: "+err.Error())
		return
	}
	s.mu.Lock()
	first := !s.known["scan "+provider]
	s.known["scan "+provider] = true
	s.mu.Unlock()
	if first {
		s.printf("%6.1fs  %s: the first scan sees %d service users, %d keys, %d of them managed\n", time.Since(s.began).Seconds(), provider, res.Users, res.Keys, res.Managed)
	}
}

// verdict sums up and says whether the demo showed what it claims.
func (s *story) verdict(consumers []*consumer, systems []*system) error {
	var calls, refused int64
	for _, c := range consumers {
		calls += c.calls.Load()
		refused += c.refused.Load()
	}
	done, each := 0, make([]string, len(systems))
	for i, sys := range systems {
		done += s.done[sys.name]
		each[i] = fmt.Sprintf("%s %d", sys.name, s.done[sys.name])
	}
	s.printf("\nRotations completed: %d (%s). Calls by consumers: %d, refused: %d.\n", done, strings.Join(each, ", "), calls, refused)
	switch {
	case refused > 0 || calls == 0:
		s.printf("VERDICT: failed: a consumer was left without a working key.\n")
		return ErrFailed
	case done == 0:
		s.printf("VERDICT: no key got through its whole life in this time; give it longer with --for 60s.\n")
		return ErrFailed
	default:
		s.printf("VERDICT: keys were replaced with overlap, and not one call was refused.\n")
		return nil
	}
}
