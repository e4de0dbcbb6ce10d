package main

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows on a terminal how far something has come. On anything else it shows nothing.
type progress struct{ bar *progressbar.ProgressBar }

// newProgress begins one; a total below zero is not known yet.
func newProgress(out io.Writer, what string, total int) *progress {
	if !onTerminal(out) {
		return &progress{}
	}
	return &progress{bar: progressbar.NewOptions(total, progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetWidth(30), progressbar.OptionSetPredictTime(total > 1))}
}

// reach says how far it has come. That a terminal is gone stops nothing.
func (p *progress) reach(n int) {
	if p.bar != nil {
		_ = p.bar.Set(n)
	}
}

// hide takes it off the terminal, for lines that are written there; the next reach shows it again.
func (p *progress) hide() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
