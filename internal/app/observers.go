package app

import (
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
)

// observers are several in the place of one.
type observers []engine.Observer

func (os observers) Scanned(provider string, s engine.ScanResult, took time.Duration, err error) {
	for _, o := range os {
		o.Scanned(provider, s, took, err)
	}
}

func (os observers) Moved(before rotator.Stage, r *rotator.Rotation, note string) {
	for _, o := range os {
		o.Moved(before, r, note)
	}
}

func (os observers) Delivered(sink string, r *rotator.Rotation, err error) {
	for _, o := range os {
		o.Delivered(sink, r, err)
	}
}

func (os observers) Probed(sink string, err error) {
	for _, o := range os {
		o.Probed(sink, err)
	}
}

func (os observers) JournalFailed(err error) {
	for _, o := range os {
		o.JournalFailed(err)
	}
}

func (os observers) OrphanRetired(provider string, k rotator.Key) {
	for _, o := range os {
		o.OrphanRetired(provider, k)
	}
}

func (os observers) Leased(provider string, held bool) {
	for _, o := range os {
		o.Leased(provider, held)
	}
}
