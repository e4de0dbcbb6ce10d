package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/audit"
)

// Audit calls fn for each audit record that the filter selects, the oldest first, and returns the end. It asks page by
// page; an answer that is not complete is an error.
func (c *Client) Audit(ctx context.Context, f audit.Filter, fn func(*rotator.AuditRecord) error) (*audit.End, error) {
	q := url.Values{"limit": {"10000"}}
	for name, value := range map[string]string{"provider": f.Provider, "user": f.User, "credential": f.Credential, "actor": f.Actor} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for name, at := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !at.IsZero() {
			q.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	for {
		end, err := c.auditPage(ctx, q, fn)
		if err != nil || !end.More {
			return end, err
		}
		q.Set("after", strconv.FormatInt(end.Seq, 10))
	}
}

func (c *Client) auditPage(ctx context.Context, q url.Values, fn func(*rotator.AuditRecord) error) (*audit.End, error) {
	body, err := c.stream(ctx, "/api/v1/audit?"+q.Encode())
	if err != nil {
		return nil, err
	}
	defer body.Close() //nolint:errcheck // it was only read
	lines := bufio.NewReaderSize(body, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return nil, fmt.Errorf("the daemon's answer was cut short; the audit record is not complete: %w", ended(err))
		}
		r, end, err := audit.ParseLine(line)
		switch {
		case err != nil:
			return nil, fmt.Errorf("the daemon's answer is no audit record: %w", err)
		case r != nil:
			if err := fn(r); err != nil {
				return nil, err
			}
		case end.Error != "":
			return nil, &Error{Detail: "the audit record is not complete: " + end.Error}
		default:
			return end, nil
		}
	}
}

// ended says what an end in the middle is.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
