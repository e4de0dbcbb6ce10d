package main

import (
	"context"
	"io"
	"time"

	"github.com/rotatord/rotatord/internal/client"
	"github.com/rotatord/rotatord/web"
)

// followEvery is how often the daemon is asked while something is followed.
const followEvery = 500 * time.Millisecond

// follow returns the rotation once it ended, needs a person, waits for a time that is not within the wait, or the wait is over.
// each is called with it whenever something has happened to it.
func follow(ctx context.Context, c *client.Client, id string, wait time.Duration, each func(*web.RotationHistory)) (r web.RotationHistory, err error) {
	until := time.Now().Add(wait)
	err = every(ctx, until, func() (bool, error) {
		next, err := c.Rotation(ctx, id)
		if err != nil {
			return false, err
		}
		if len(next.History) != len(r.History) {
			each(&next)
		}
		r = next
		return r.NeedsPerson || r.NextAt.IsZero() || r.NextAt.After(until) && r.Attempt == 0, nil
	})
	return r, err
}

// every calls look until it is enough, at once and then from time to time, at the latest until the time given.
func every(ctx context.Context, until time.Time, look func() (enough bool, err error)) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		if enough, err := look(); enough || err != nil || !time.Now().Before(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// stageTime is a stage that a rotation went through, with how long it stayed there, or has stayed until now.
type stageTime struct {
	Stage   string    `json:"stage"`
	At      time.Time `json:"at"`
	Seconds float64   `json:"seconds"`
	Note    string    `json:"note"`
}

func stagesOf(r *web.RotationHistory, now time.Time) []stageTime {
	stages := []stageTime{}
	for _, e := range r.History {
		if n := len(stages); n > 0 {
			stages[n-1].Seconds = e.At.Sub(stages[n-1].At).Seconds()
			if stages[n-1].Stage == e.To {
				stages[n-1].Note = e.Note
				continue
			}
		}
		stages = append(stages, stageTime{Stage: e.To, At: e.At, Note: e.Note})
	}
	if n := len(stages); n > 0 && !ended(r.Stage) {
		stages[n-1].Seconds = now.Sub(stages[n-1].At).Seconds()
	} else if n > 0 {
		stages[n-1].Seconds = 0
	}
	return stages
}

func ended(stage string) bool { return stage == "done" || stage == "abandoned" }

func printStages(w io.Writer, stages []stageTime) {
	line(w, "STAGE\tAT\tTOOK\tWHAT HAPPENED")
	for _, s := range stages {
		line(w, "%s\t%s\t%s\t%s", s.Stage, s.At.Local().Format(time.DateTime), span(time.Duration(s.Seconds*float64(time.Second)).Round(time.Millisecond)), s.Note)
	}
}

// printEnd says where the rotation stands, in words.
func printEnd(w io.Writer, r *web.Rotation) {
	switch {
	case r.Stage == "done":
		line(w, "done: %s", r.Why)
	case r.Stage == "abandoned":
		line(w, "abandoned: %s", r.Why)
	case r.Blocked != "":
		line(w, "it waits in stage %s (%s) since %s", r.Stage, r.Blocked, when(r.BlockedSince))
		line(w, "  why: %s", r.Trouble)
		line(w, "  do:  %s", r.Do)
	default:
		line(w, "it goes on by itself %s, from stage %s; see: rotatord history %s", when(r.NextAt), r.Stage, r.ID)
	}
}

// standing is the exit that goes with where a rotation stands.
func standing(r *web.Rotation) error {
	switch {
	case r.Stage == "abandoned":
		return exit(exitFailed)
	case r.NeedsPerson:
		return exit(exitPerson)
	default:
		return nil
	}
}
