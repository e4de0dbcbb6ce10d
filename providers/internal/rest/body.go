package rest

import (
	"context"
	"errors"
	"io"
	"time"
)

// errTimeout is the cause of a context that ended because the service was too slow.
var errTimeout = errors.New("the service did not answer in time")

// errTooLarge ends the reading of an answer that goes beyond its bound.
var errTooLarge = errors.New("the answer is larger than any that is expected")

// boundedBody bounds an answer in size and, for streams, each read in time. The time that a visitor takes does not count.
type boundedBody struct {
	body    io.ReadCloser
	left    int64           // bytes that may still come
	ctx     context.Context // whose cause says why a read failed
	finish  func()
	watch   *time.Timer // of a stream; nil otherwise
	timeout time.Duration
}

// Read implements io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, b.atBound()
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	if b.watch != nil {
		b.watch.Reset(b.timeout)
		defer b.watch.Stop()
	}
	n, err := b.body.Read(p)
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) && b.ctx.Err() != nil {
		err = context.Cause(b.ctx)
	}
	return n, err
}

// atBound tells an answer of exactly the permitted size from a larger one.
func (b *boundedBody) atBound() error {
	var one [1]byte
	if n, err := b.body.Read(one[:]); n == 0 && errors.Is(err, io.EOF) {
		return io.EOF
	}
	return errTooLarge
}

// Close implements io.Closer.
func (b *boundedBody) Close() error {
	err := b.body.Close()
	b.finish()
	return err
}
