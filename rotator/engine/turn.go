package engine

// turn lets one caller at a time do something that waits for a disk, a network or a clock. A mutex would do but for tests: their fake
// clock stands still for as long as anybody waits for a mutex.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) take() { t <- struct{}{} }
func (t turn) give() { <-t }
