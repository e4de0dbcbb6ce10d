package demo

import (
	"context"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// A consumer reads its key only now and then, as programs do that keep it in memory, and calls the provider with it all
// the time.
const (
	consumerReads = 2 * time.Second
	consumerCalls = 150 * time.Millisecond
)

type consumer struct {
	name, file, url, header, key string
	story                        *story
	calls, refused               atomic.Int64
}

func (c *consumer) run(ctx context.Context) {
	read, call := time.NewTicker(consumerReads), time.NewTicker(consumerCalls)
	defer read.Stop()
	defer call.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-read.C:
			c.read()
		case <-call.C:
			c.call(ctx)
		}
	}
}

// read takes over the delivered key. Until the first delivery there is no file, and the key that a person handed over
// stays in use.
func (c *consumer) read() {
	key, err := os.ReadFile(c.file)
	if err != nil || string(key) == c.key {
		return
	}
	c.key = string(key)
	c.story.tell(c.name, "consumer", "reads its file again and goes on with the new key")
}

func (c *consumer) call(ctx context.Context) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		return
	}
	req.Header.Set(c.header, c.key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return // the demo is over
	}
	_ = res.Body.Close() // only the status counts
	c.calls.Add(1)
	if res.StatusCode != http.StatusOK {
		c.refused.Add(1)
		c.story.tell(c.name, "REFUSED", "a call of the consumer was refused: "+res.Status)
	}
}
