package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rotatord/rotatord/web"
)

// ReportQuery narrows a report. The zero query is every key.
type ReportQuery struct {
	// Provider and Policy are names in the configuration.
	Provider, Policy string
	// Classes and Findings are those wanted, any of them; empty for all.
	Classes, Findings []string
	// Labels are those wanted, name=value, any of them; name= is for keys without that label.
	Labels []string
	// By is the name of a label by which the summary counts too; empty for none.
	By string
	// UnusedFor is since when a key must not have been used to count as unused; 0 is the daemon's default.
	UnusedFor time.Duration
}

func (q *ReportQuery) values() url.Values {
	v := url.Values{}
	for name, value := range map[string]string{"provider": q.Provider, "policy": q.Policy,
		"class": strings.Join(q.Classes, ","), "finding": strings.Join(q.Findings, ","), "label": strings.Join(q.Labels, ","), "by": q.By} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.UnusedFor > 0 {
		v.Set("unused_for", q.UnusedFor.String())
	}
	return v
}

// reportSilence is how long a report may stand still before it is given up. As a whole it takes the time that it takes.
const reportSilence = time.Minute

// errSilent is why a report was given up.
var errSilent = fmt.Errorf("the daemon sent nothing for %s; the report is not complete", reportSilence)

// errCut says that the answer ended before it was complete.
var errCut = errors.New("the daemon's answer was cut short; the report is not complete")

// Report calls fn for each key, as it comes, and returns the summary. A report that is not complete is an error.
func (c *Client) Report(ctx context.Context, q ReportQuery, fn func(*web.ReportedKey) error) (*web.ReportSummary, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	silence := time.AfterFunc(reportSilence, func() { stop(errSilent) })
	defer silence.Stop()
	body, err := c.stream(ctx, "/api/v1/report?"+q.values().Encode())
	if err != nil {
		return nil, err
	}
	defer body.Close() //nolint:errcheck // it was only read
	bounded := &allowance{r: body}
	lines := json.NewDecoder(bufio.NewReaderSize(bounded, 64<<10))
	for {
		bounded.left = maxLine
		var line web.ReportLine
		if err := lines.Decode(&line); err != nil {
			return nil, errors.Join(cutShort(err), notCanceled(context.Cause(ctx)))
		}
		silence.Reset(reportSilence)
		switch {
		case line.Error != "":
			return nil, &Error{Status: http.StatusInternalServerError, Detail: "the report is not complete: " + line.Error}
		case line.Summary != nil:
			return line.Summary, nil
		case line.Key != nil:
			if err := fn(line.Key); err != nil {
				return nil, err
			}
		}
	}
}

// maxLine bounds one line of a report, which is held in memory; a report as a whole may be of any size.
const maxLine = 4 << 20

// allowance reads no more than what is left, until more is allowed.
type allowance struct {
	r    io.Reader
	left int
}

var errLongLine = errors.New("a line is longer than any that a daemon sends; is it rotatord that answers there?")

// Read implements io.Reader.
func (a *allowance) Read(p []byte) (int, error) {
	if a.left <= 0 {
		return 0, errLongLine
	}
	n, err := a.r.Read(p[:min(len(p), a.left)])
	a.left -= n
	return n, err
}

func cutShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errCut
	}
	return fmt.Errorf("%w: %w", errCut, err)
}

// notCanceled leaves out what the other error says already.
func notCanceled(cause error) error {
	if errors.Is(cause, context.Canceled) {
		return nil
	}
	return cause
}

// stream asks for an answer that is read as it comes: the time for a whole answer does not bound it.
func (c *Client) stream(ctx context.Context, path string) (io.ReadCloser, error) {
	return c.streamOf(ctx, http.MethodGet, path, nil)
}

// streamOf is stream for a request that has a body of JSON.
func (c *Client) streamOf(ctx context.Context, method, path string, asked io.Reader) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.base.String(), "/")+path, asked)
	if err != nil {
		return nil, err
	}
	if asked != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := (&http.Client{Transport: c.http.Transport, CheckRedirect: c.http.CheckRedirect}).Do(req)
	if err != nil {
		return nil, errors.Join(c.unreachable(err), notCanceled(context.Cause(ctx)))
	}
	if res.StatusCode < http.StatusMultipleChoices {
		return res.Body, nil
	}
	defer res.Body.Close() //nolint:errcheck // it was only read
	if res.StatusCode < http.StatusBadRequest {
		return nil, redirected(res)
	}
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading the daemon's answer: %w", err)
	}
	return nil, problem(res.StatusCode, answer)
}
