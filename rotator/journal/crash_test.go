package journal

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator/audit"
)

// committers is how many goroutines of the child commit at once, so that the kill hits group commits.
const committers = 8

// commitUntilKilled plans rotations and changes them for as long as it lives, and prints each change once it was
// acknowledged.
func commitUntilKilled(dir string) error {
	s, err := Open(context.Background(), filepath.Join(dir, "rotatord.db"), Options{})
	if err != nil {
		return err
	}
	errs := make(chan error, committers)
	for w := range committers {
		go func() { errs <- commitForEver(s, fmt.Sprintf("%d-%d", time.Now().UnixNano(), w)) }()
	}
	return <-errs
}

func commitForEver(s *Store, worker string) error {
	for n := 0; ; n++ {
		c := planned(0)
		c.After.ID, c.After.UserID = fmt.Sprintf("%s-%d", worker, n), fmt.Sprintf("%s-%d", worker, n)
		c.After.Sinks = nil
		for i := range 5 {
			if err := s.Commit(context.Background(), c); err != nil {
				return err
			}
			fmt.Printf("%s %d\n", c.After.ID, c.After.Seq)
			c = c.After.Wait(fmt.Sprint("again ", i), epoch)
		}
	}
}

// TestAcknowledgedCommitsSurviveKills is the journal's part of guarantee G2: whatever was acknowledged before a kill -9 is
// there after it, whole.
func TestAcknowledgedCommitsSurviveKills(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[string]int64{}
	for kill := range 6 {
		before := len(acknowledged)
		commitAndKill(t, dir, 20+rand.IntN(400), acknowledged)
		if len(acknowledged) == before {
			t.Fatalf("kill %d: nothing was acknowledged before it", kill)
		}
		checkAll(t, dir, acknowledged)
	}
}

func commitAndKill(t *testing.T, dir string, after int, acknowledged map[string]int64) {
	t.Helper()
	cmd := child(t, "commit", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		var id string
		var seq int64
		if _, err := fmt.Sscan(lines.Text(), &id, &seq); err != nil {
			break // the kill cut the last line short
		}
		acknowledged[id] = max(acknowledged[id], seq)
		if n == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
}

func checkAll(t *testing.T, dir string, acknowledged map[string]int64) {
	t.Helper()
	s, err := Open(context.Background(), filepath.Join(dir, "rotatord.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if result, err := audit.VerifyChain(t.Context(), s, nil); err != nil || result.Wrong > 0 || result.Records < int64(len(acknowledged)) {
		t.Fatalf("the audit record is not whole after a kill: %+v, %v", result, err)
	}
	for id, seq := range acknowledged {
		r, err := s.Rotation(context.Background(), id)
		if err != nil || r.Seq < seq || r.Seq > seq+1 {
			t.Fatalf("rotation %s: seq %d was acknowledged, %d is stored: %v", id, seq, r.Seq, err)
		}
		entries, err := s.History(context.Background(), id)
		if err != nil || int64(len(entries)) != r.Seq {
			t.Fatalf("rotation %s at seq %d has %d lines of history: %v", id, r.Seq, len(entries), err)
		}
	}
}
