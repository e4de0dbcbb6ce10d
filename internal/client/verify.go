package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/rotatord/rotatord/web"
)

// verifySilence is how long a verification may stand still: one credential has several sinks and a provider, and each its time.
const verifySilence = 10 * time.Minute

var errVerifySilent = fmt.Errorf("the daemon sent nothing for %s; the verification is not complete", verifySilence)

// Verify has the daemon read sinks back and try keys. It calls total once, and fn for each credential as its finding comes, and
// returns the summary. A verification that is not complete is an error.
func (c *Client) Verify(ctx context.Context, ask web.VerifyRequest, total func(n int), fn func(*web.Verification) error) (*web.VerifySummary, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	silence := time.AfterFunc(verifySilence, func() { stop(errVerifySilent) })
	defer silence.Stop()
	ask.Actor = c.actor
	asked, err := json.Marshal(ask)
	if err != nil {
		return nil, err
	}
	body, err := c.streamOf(ctx, http.MethodPost, "/api/v1/verifications", bytes.NewReader(asked))
	if err != nil {
		return nil, err
	}
	defer body.Close() //nolint:errcheck // it was only read
	bounded := &allowance{r: body}
	lines := json.NewDecoder(bufio.NewReaderSize(bounded, 64<<10))
	for {
		bounded.left = maxLine
		var line web.VerifyLine
		if err := lines.Decode(&line); err != nil {
			return nil, errors.Join(errVerifyCut, err, notCanceled(context.Cause(ctx)))
		}
		silence.Reset(verifySilence)
		switch {
		case line.Error != "":
			return nil, &Error{Status: http.StatusInternalServerError, Detail: "the verification is not complete: " + line.Error}
		case line.Summary != nil:
			return line.Summary, nil
		case line.Total != nil:
			total(*line.Total)
		case line.Verification != nil:
			if err := fn(line.Verification); err != nil {
				return nil, err
			}
		}
	}
}

var errVerifyCut = errors.New("the daemon's answer was cut short; the verification is not complete")
