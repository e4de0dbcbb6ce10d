package seal

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// lock keeps the page that b is on out of the swap. The page stays locked for good: it may hold several keys, and there
// are never many.
func lock(b []byte) error {
	if err := unix.Mlock(b); err != nil {
		return fmt.Errorf("the seal key may be swapped out: %w; raise the limit (LimitMEMLOCK), or see that the swap is encrypted", err)
	}
	return nil
}
