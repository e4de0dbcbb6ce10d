package app

import (
	"time"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/rotator"
)

// Rules returns the policies and the freezes of a configuration as the daemon would go by them, for the simulator. It makes
// neither providers nor sinks.
func Rules(c *config.Config) ([]*rotator.Policy, []rotator.Freeze, error) {
	made, err := policies(c.Policies)
	if err != nil {
		return nil, nil, err
	}
	var freezes []rotator.Freeze
	for _, f := range c.Freezes {
		freezes = append(freezes, rotator.Freeze{From: f.From.Start(), To: f.To.End(), Reason: f.Reason,
			UnlessExpiresWithin: time.Duration(f.UnlessExpiresWithin)})
	}
	return made, freezes, nil
}
