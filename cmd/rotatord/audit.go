package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/report"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/audit"
	"github.com/rotatord/rotatord/rotator/journal"
)

func auditCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Verify and export the record of what was decided and done", RunE: group}
	cmd.AddCommand(auditVerifyCommand(f), auditExportCommand(f))
	return cmd
}

func auditVerifyCommand(f *flags) *cobra.Command {
	var file string
	var given []string
	cmd := &cobra.Command{
		Use: "verify [FILE]", Short: "Find audit records that were changed, removed, inserted or reordered", Args: args(cobra.MaximumNArgs(1)),
		Long: `Reads an export (JSON lines; - is standard input) or a journal, and names every record that is not as it was written. It needs
no running daemon, works beside one, and changes nothing. Without FILE and --journal it reads the journal that the
configuration names.

Whoever can write the journal can also write the whole chain anew. That is found with --anchor: a SEQ:HASH that was kept
elsewhere, as this command and the daemon's log print it.

Exits with 1 if something is wrong, and with 3 for an export that leaves records out, of which only each by itself can be
verified.`,
		Example: `  rotatord audit verify --journal /var/lib/rotatord/rotatord.db
  rotatord audit verify audit.jsonl --anchor 1200:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`,
		RunE: func(cmd *cobra.Command, named []string) error {
			anchors, err := parseAnchors(given)
			if err != nil {
				return usage{err}
			}
			var result audit.Result
			switch {
			case len(named) == 1 && file != "":
				return usage{errors.New("both FILE and --journal are given; keep one of them")}
			case len(named) == 1:
				result, err = verifyFile(cmd.InOrStdin(), named[0], anchors)
			default:
				result, err = f.verifyJournal(cmd.Context(), file, anchors)
			}
			if err != nil {
				return err
			}
			if err := f.print(cmd.OutOrStdout(), result, func(w io.Writer) { printVerified(w, &result) }); err != nil {
				return err
			}
			return verdict(&result)
		},
	}
	cmd.Flags().StringVar(&file, "journal", "", "the journal to read")
	cmd.Flags().StringArrayVar(&given, "anchor", nil, "SEQ:HASH of a record that was kept elsewhere; can be given several times")
	return cmd
}

func verdict(r *audit.Result) error {
	switch {
	case r.Wrong > 0:
		return exit(exitFailed)
	case r.Filtered:
		return exit(exitPerson)
	default:
		return nil
	}
}

func parseAnchors(given []string) ([]rotator.AuditHead, error) {
	anchors := make([]rotator.AuditHead, 0, len(given))
	for _, text := range given {
		a, err := rotator.ParseAuditHead(text)
		if err != nil {
			return nil, fmt.Errorf("--anchor: %w", err)
		}
		anchors = append(anchors, a)
	}
	return anchors, nil
}

func verifyFile(in io.Reader, path string, anchors []rotator.AuditHead) (audit.Result, error) {
	if path == "-" {
		return audit.VerifyExport(in, anchors...)
	}
	file, err := os.Open(path) //nolint:gosec // the caller's own file
	if err != nil {
		return audit.Result{}, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	return audit.VerifyExport(file, anchors...)
}

func (f *flags) verifyJournal(ctx context.Context, path string, anchors []rotator.AuditHead) (result audit.Result, err error) {
	file, err := f.openAudit(ctx, path)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return audit.VerifyChain(ctx, file, nil, anchors...)
}

// openAudit opens the journal at path or, if that is empty, the configured one.
func (f *flags) openAudit(ctx context.Context, path string) (*journal.AuditFile, error) {
	if path == "" {
		c, err := config.Load(f.config)
		if err != nil {
			return nil, usage{fmt.Errorf("%w; or say which journal with --journal", err)}
		}
		if p := c.Store.Postgres; p != nil {
			dsn, err := p.DSN.Resolve()
			if err != nil {
				return nil, fmt.Errorf("store.postgres.dsn: %w", err)
			}
			defer dsn.Wipe()
			return journal.OpenAuditPostgres(ctx, dsn)
		}
		path = c.Store.Path
	}
	return journal.OpenAudit(ctx, path)
}

func printVerified(w io.Writer, r *audit.Result) {
	for _, found := range r.Findings {
		line(w, "%s", found)
	}
	if more := r.Wrong - len(r.Findings); more > 0 {
		line(w, "and %d more", more)
	}
	if r.Removed > 0 {
		line(w, "Records 1 to %d were removed by retention, as a checkpoint says.", r.Removed)
	}
	span := fmt.Sprintf("%d records", r.Records)
	if r.Records > 0 {
		span += fmt.Sprintf(", from record %d (%s) to record %d (%s)", r.First, r.Since.Format(time.RFC3339), r.Head.Seq, r.Until.Format(time.RFC3339))
	}
	switch {
	case r.Wrong > 0:
		line(w, "NOT WHOLE: %s; %d things are wrong.", span, r.Wrong)
	case r.Filtered:
		line(w, "Each by itself is whole: %s. Records were left out of this export, so it cannot show that none is missing.", span)
	default:
		line(w, "Whole: %s.", span)
		line(w, "Keep this where nobody can write who can write the journal, and give it to --anchor next time:")
		line(w, "%s", r.Head)
	}
}

// auditExport are the flags of the export.
type auditExport struct {
	journal, file, since, until, credential string
	filter                                  audit.Filter
}

func auditExportCommand(f *flags) *cobra.Command {
	x := &auditExport{}
	cmd := &cobra.Command{
		Use: "export", Short: "Print the audit record as JSON lines", Args: args(cobra.NoArgs),
		Long: `Prints one record on each line, the oldest first, from the running daemon or, with --journal, from a file. The last line names the
end: an export without it is not complete. With filters, records are left out, so that the chain cannot be verified.`,
		Example: `  rotatord audit export --file audit.jsonl
  rotatord audit export --since 30d --credential 'certcentral/*/*' --actor 'ann'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := x.parse(time.Now()); err != nil {
				return usage{err}
			}
			if x.file == "" {
				return x.write(cmd.Context(), f, cmd.OutOrStdout())
			}
			return report.ToFile(x.file, func(w io.Writer) error { return x.write(cmd.Context(), f, w) })
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&x.journal, "journal", "", "read this journal and ask no daemon")
	flags.StringVar(&x.file, "file", "", "write into this file, whole or not at all, and not to standard output")
	flags.StringVar(&x.since, "since", "", "only records from then on: an RFC 3339 time, or how long ago, such as 30d")
	flags.StringVar(&x.until, "until", "", "only records from before: an RFC 3339 time, or how long ago, such as 1d")
	flags.StringVar(&x.credential, "credential", "", "only records about this PROVIDER/USER/CREDENTIAL; each part may be a pattern")
	flags.StringVar(&x.filter.Actor, "actor", "", "only what this actor did; may be a pattern")
	return cmd
}

func (x *auditExport) parse(now time.Time) (err error) {
	if x.filter.Since, err = moment(x.since, now); err != nil {
		return fmt.Errorf("--since: %w", err)
	}
	if x.filter.Until, err = moment(x.until, now); err != nil {
		return fmt.Errorf("--until: %w", err)
	}
	if x.credential == "" {
		return nil
	}
	parts := strings.Split(x.credential, "/")
	if len(parts) != 3 {
		return fmt.Errorf("--credential is %q; write PROVIDER/USER/CREDENTIAL, such as 'certcentral/*/*'", x.credential)
	}
	x.filter.Provider, x.filter.User, x.filter.Credential = parts[0], parts[1], parts[2]
	return nil
}

// moment reads a time, or how long ago it was.
func moment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	ago, err := config.ParseDuration(text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is neither a time such as 2026-03-01T12:00:00Z nor how long ago, such as 30d", text)
	}
	return now.Add(-ago.Std()), nil
}

func (x *auditExport) write(ctx context.Context, f *flags, out io.Writer) error {
	buf := bufio.NewWriterSize(out, 64<<10)
	var text []byte
	emit := func(r *rotator.AuditRecord) error {
		text = audit.AppendLine(text[:0], r)
		_, err := buf.Write(text)
		return err
	}
	read := x.fromDaemon
	if x.journal != "" {
		read = x.fromJournal
	}
	end, err := read(ctx, f, emit)
	if err != nil {
		return errors.Join(err, buf.Flush())
	}
	last, err := audit.AppendEnd(nil, *end)
	if err != nil {
		return err
	}
	_, err = buf.Write(last)
	return errors.Join(err, buf.Flush())
}

func (x *auditExport) fromDaemon(ctx context.Context, f *flags, emit func(*rotator.AuditRecord) error) (*audit.End, error) {
	c, err := f.daemon()
	if err != nil {
		return nil, err
	}
	return c.Audit(ctx, x.filter, emit)
}

func (x *auditExport) fromJournal(ctx context.Context, f *flags, emit func(*rotator.AuditRecord) error) (end *audit.End, err error) {
	file, err := f.openAudit(ctx, x.journal)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return audit.Export(ctx, file, x.filter, emit)
}
