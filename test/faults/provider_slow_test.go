package faults

import (
	"net/http"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
)

// Calls of the provider's API that the daemon makes.
const (
	listUsers = "/user/api-only"
	listKeys  = "/key"
	create    = "/key/user/*"
	retire    = "/key/*/status"
	check     = "/user/me"
)

// fault is an order that strikes calls of the daemon, and not those of consumers.
func fault(name, method, path string, effect emulator.Effect) emulator.Fault {
	return emulator.Fault{Name: name, Match: emulator.Match{Method: method, Path: path, Caller: "manager"}, Effect: effect}
}

// delayed is a fault that holds calls up before they have an effect.
func delayed(name string, d time.Duration, method, path string) emulator.Fault {
	return fault(name, method, path, emulator.Effect{Kind: emulator.EffectDelay, Delay: emulator.Duration(d)})
}

// after makes a fault strike after the call had its effect.
func after(f emulator.Fault) emulator.Fault {
	f.Effect.AfterEffect = true
	return f
}

// times limits a fault.
func times(n int, f emulator.Fault) emulator.Fault {
	f.Count = n
	return f
}

// trying is a fault that strikes when the daemon first tries new keys, before any consumer has them.
func trying(name string, n int, effect emulator.Effect) emulator.Fault {
	return emulator.Fault{Name: name, Count: n, Match: emulator.Match{Path: check, Caller: "deploy-r*"}, Effect: effect}
}

func slow(name string, bytes int, pause time.Duration, path string) emulator.Fault {
	return fault(name, http.MethodGet, path, emulator.Effect{Kind: emulator.EffectSlow, Bytes: bytes, Delay: emulator.Duration(pause)})
}

// TestProviderSlow has a timeout of one second for each call.
func TestProviderSlow(t *testing.T) {
	t.Parallel()
	const late = 3 * time.Second
	for _, tc := range []struct {
		name  string
		fault emulator.Fault
		said  string // in the log
		made  int    // keys for each service; 0 is any number
	}{
		{"the list of users comes late", times(2, delayed("f", late, http.MethodGet, listUsers)), "did not answer in time", 1},
		{"the list of keys comes late", times(3, delayed("f", late, http.MethodGet, listKeys)), "did not answer in time", 1},
		{"keys are made late", times(2, after(delayed("f", late, http.MethodPost, create))), "the request was sent and its answer was lost", 2},
		{"keys would be made late", times(2, delayed("f", late, http.MethodPost, create)), "the request was sent and its answer was lost", 0},
		{"keys are revoked late", times(2, after(delayed("f", late, http.MethodPut, retire))), "the request was sent and its answer was lost", 1},
		{"keys would be revoked late", times(2, delayed("f", late, http.MethodPut, retire)), "the request was sent and its answer was lost", 1},
		{"new keys are tried late", trying("f", 3, emulator.Effect{Kind: emulator.EffectDelay, Delay: emulator.Duration(late)}), "did not answer in time", 1},
		{"lists drip", slow("f", 40, 20*time.Millisecond, listKeys), "", 1},
		{"lists stop in the middle", times(3, slow("f", 40, late, listKeys)), "did not answer in time", 1},
		{"users stop in the middle", times(3, slow("f", 40, late, listUsers)), "did not answer in time", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := prepare(t, setting{})
			c.e.Order(tc.fault)
			c.begin()
			c.struck("f", max(1, tc.fault.Count))
			c.ready()
			if tc.said != "" {
				c.logs(tc.said)
			}
			c.goodEnd(tc.made)
		})
	}
}
