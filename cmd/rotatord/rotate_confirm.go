package main

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/client"
	"github.com/rotatord/rotatord/web"
)

// confirmMany lets a person see what a pattern catches before all of it is rotated without waiting. It sets r.Expect, so that
// what comes to match in between is not rotated unseen.
func confirmMany(cmd *cobra.Command, c *client.Client, r *web.RotateRequest, compromised bool) error {
	if !compromised || r.DryRun || r.Expect > 0 {
		return nil
	}
	look := *r
	look.DryRun = true
	found, err := c.Rotate(cmd.Context(), look)
	if err != nil {
		return err
	}
	n := len(found.Results)
	if n > 1 {
		for _, x := range found.Results {
			line(cmd.ErrOrStderr(), "%s", x.CredentialName)
		}
		table := newTable(cmd.ErrOrStderr())
		printLeftOut(table, found.LeftOut, found.MoreLeftOut)
		if err := table.Flush(); err != nil {
			return err
		}
		if err := askCount(cmd, n); err != nil {
			return err
		}
	}
	r.Expect = n
	return nil
}

// askCount asks at a terminal for the number of credentials; without one it says what to write.
func askCount(cmd *cobra.Command, n int) error {
	in := cmd.InOrStdin()
	if !onTerminal(in) {
		return usage{fmt.Errorf("%d credentials match and nothing was done; if all of them leaked, say so with: --expect %d", n, n)}
	}
	return typedCount(in, cmd.ErrOrStderr(), n)
}

func typedCount(in io.Reader, out io.Writer, n int) error {
	line(out, "%d credentials will be rotated now, and their old keys revoked as soon as every sink holds the new ones.", n)
	_, _ = fmt.Fprint(out, "Type their number to go on: ") // a terminal that is gone answers nothing either
	typed, err := bufio.NewReader(in).ReadString('\n')
	if got, bad := strconv.Atoi(strings.TrimSpace(typed)); err != nil || bad != nil || got != n {
		return usage{fmt.Errorf("that is not %d; nothing was done", n)}
	}
	return nil
}
