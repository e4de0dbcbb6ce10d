package bench

import (
	"bytes"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/rotator/rotatortest"
	"github.com/rotatord/rotatord/rotator/seal"
)

const (
	day = 24 * time.Hour

	// account is the name of the provider in every benchmark.
	account = "cc"
)

// newSetup has one account, one policy for all its keys, and two sinks in memory. A key is due when it is sixty days old;
// it is replaced without grace, so that only the work itself takes time.
func newSetup(p rotator.Provider, concurrent int) (*engine.Setup, error) {
	scan, err := rotator.ParseSchedule("*/15 * * * *", "")
	if err != nil {
		return nil, err
	}
	return &engine.Setup{
		Accounts: []engine.Account{{Name: account, Provider: p}},
		Sinks:    map[string]rotator.Sink{"vault": rotatortest.NewSink(), "disk": rotatortest.NewSink()},
		Policies: []*rotator.Policy{{Name: "all", RenewBefore: 30 * day, MaxAge: 90 * day, Sinks: []string{"vault", "disk"}}},
		Scan:     scan, Cap: rotator.CapLimits{AlwaysAllowed: 1 << 30}, Concurrent: concurrent, HaltAfter: 5,
		Retry: engine.Backoff{Base: 5 * time.Second, Max: 15 * time.Minute},
	}, nil
}

func newSealer() *seal.Sealer {
	s, err := seal.New(bytes.Repeat([]byte("k"), seal.KeySize))
	if err != nil {
		panic(err) // the key is of the right size
	}
	return s
}
