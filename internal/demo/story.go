package demo

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
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
	done   atomic.Int64

	mu    sync.Mutex
	known map[string]bool
}

func newStory(out io.Writer, colour bool) *story {
	return &story{out: out, colour: colour, began: time.Now(), known: map[string]bool{}}
}

func (s *story) begin(d time.Duration, page, keys, provider, vault string) {
	if vault == "" {
		vault = "none (try --vault-address)"
	}
	s.printf(`rotatord demo: %s with keys that live 45 seconds instead of 90 days

  provider   %s (an emulated DigiCert CertCentral)
  files      %s
  vault      %s
  page       http://%s/

Three consumers call the provider with their keys all the time and read the key's file every %s.

`, d, provider, keys, vault, page, consumerReads)
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
	"due": "33", "lost": "31", "asked": "36", "minted": "36", "proven": "36", "delivered": "32", "overlap": "34", "consumer": "90", "waiting": "33",
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
			s.tell(r.Base, "due", fmt.Sprintf("key %s (%s) reaches its maximal age at %s: rotation %s is planned",
				r.OldKey.ID, r.OldKey.Name, r.Deadline.Local().Format(time.TimeOnly), r.ID))
		} else {
			s.tell(r.Base, "asked", note)
		}
	case rotator.StageMinted:
		s.tell(r.Base, "minted", fmt.Sprintf("key %s (%s) is made and sealed into the journal, fingerprint %s", r.NewKey.ID, r.NewKey.Name, r.Fingerprint))
	case rotator.StageDelivering:
		s.tell(r.Base, "proven", fmt.Sprintf("key %s authenticates at the provider", r.NewKey.ID))
	case rotator.StageConfirmed:
		s.tell(r.Base, "delivered", "read back from "+sinkNames(r)+": the fingerprint matches; the sealed copy is erased")
	case rotator.StageGrace:
		s.tell(r.Base, "overlap", fmt.Sprintf("keys %s and %s both work until %s", r.OldKey.ID, r.NewKey.ID, r.GraceUntil.Local().Format(time.TimeOnly)))
	case rotator.StageDone:
		s.done.Add(1)
		s.tell(r.Base, "revoked", fmt.Sprintf("key %s: every sink read back, the new key tried, the old one idle", r.OldKey.ID))
	case rotator.StageAbandoned:
		s.tell(r.Base, "trouble", "abandoned: "+r.Why)
	}
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
		s.tell(r.Base, "waiting", fmt.Sprintf("the provider does not accept key %s yet; no sink sees it before it works", r.NewKey.ID))
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
	first := !s.known["scan"]
	s.known["scan"] = true
	s.mu.Unlock()
	if first {
		s.printf("%6.1fs  first scan: %d service users, %d keys, %d of them managed\n", time.Since(s.began).Seconds(), res.Users, res.Keys, res.Managed)
	}
}

// verdict sums up and says whether the demo showed what it claims.
func (s *story) verdict(consumers []*consumer) error {
	var calls, refused int64
	for _, c := range consumers {
		calls += c.calls.Load()
		refused += c.refused.Load()
	}
	done := s.done.Load()
	s.printf("\nRotations completed: %d. Calls by consumers: %d, refused: %d.\n", done, calls, refused)
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
