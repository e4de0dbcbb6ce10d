package app

import (
	"context"
	"slices"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// freezeTime bounds how long a scrape waits to hear of freezes.
const freezeTime = 5 * time.Second

// freezes are those of the configuration and those that operators placed. While the journal does not answer, and the
// scrape says so, only the former are known.
func (a *App) freezes() []rotator.Freeze {
	ctx, cancel := context.WithTimeout(context.Background(), freezeTime)
	defer cancel()
	all := slices.Clone(a.setup.Load().Freezes)
	placed, err := a.store.PlacedFreezes(ctx, time.Now())
	if err != nil {
		return all
	}
	for _, f := range placed {
		all = append(all, f.Freeze)
	}
	return all
}
