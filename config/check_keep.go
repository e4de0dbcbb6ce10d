package config

import "time"

// shortestKept is the shortest that anything is kept: what is removed is removed by the day.
const shortestKept = 24 * time.Hour

// keeping checks how long records are kept.
func (c *checker) keeping() {
	c.keep("store.audit.keep", c.cfg.Store.Audit.Keep)
	c.keep("store.keep_history", c.cfg.Store.KeepHistory)
}

func (c *checker) keep(path string, keep Duration) {
	if c.good(path) && keep != 0 && keep.Std() < shortestKept {
		c.errorf(path, "write 1d or more, or 0 to keep them for ever", "%s would remove records on the day they are written", keep)
	}
}
