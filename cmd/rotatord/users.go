package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/app"
	"github.com/rotatord/rotatord/internal/sheet"
	"github.com/rotatord/rotatord/internal/terminal"
	"github.com/rotatord/rotatord/rotator"
)

func usersCommand(f *flags) *cobra.Command {
	cmd := &cobra.Command{Use: "users", Short: "List, show and create users at a provider", RunE: group,
		Long: `Asks the provider itself, with the credential from the configuration; no daemon has to run. PROVIDER can be left out where
the configuration has one.`,
	}
	cmd.AddCommand(usersListCommand(f), usersShowCommand(f), usersCreateCommand(f))
	return cmd
}

// directory reads the configuration and returns it, and the provider with its name.
func (f *flags) directory(name string) (*config.Config, string, rotator.Directory, error) {
	c, err := config.Load(f.config)
	if err != nil {
		return nil, "", nil, usage{err}
	}
	name, d, err := app.Directory(c, name, version)
	if err != nil {
		return nil, "", nil, usage{err}
	}
	return c, name, d, nil
}

// first returns the first of the arguments, or nothing.
func first(given []string) string {
	if len(given) == 0 {
		return ""
	}
	return given[0]
}

func usersListCommand(f *flags) *cobra.Command {
	var q rotator.UserQuery
	var kind, format string
	cmd := &cobra.Command{
		Use: "list [PROVIDER]", Short: "List users", Args: args(cobra.MaximumNArgs(1)),
		Long:    "Lists users page by page, as they come, however many there are.",
		Example: "  rotatord users list certcentral --kind service --format csv > users.csv",
		RunE: func(cmd *cobra.Command, given []string) error {
			switch kind {
			case "all":
			case string(rotator.ServiceKind), string(rotator.StandardKind):
				q.Kind = rotator.UserKind(kind)
			default:
				return usage{fmt.Errorf("--kind is %q; write service, standard or all", kind)}
			}
			if f.output == "json" {
				format = "json"
			}
			rows, err := newUserRows(format, cmd.OutOrStdout())
			if err != nil {
				return usage{err}
			}
			_, _, d, err := f.directory(first(given))
			if err != nil {
				return err
			}
			err = d.Users(cmd.Context(), q, rows.add)
			return errors.Join(err, rows.end(err == nil))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&kind, "kind", "service", "service, standard or all")
	flags.StringVar(&q.Container, "container", "", "only those of this division (CertCentral) or account (DigiCert ONE)")
	flags.IntVar(&q.Offset, "offset", 0, "skip that many")
	flags.IntVar(&q.Limit, "limit", 0, "at most that many; 0 for all")
	flags.StringVar(&format, "format", "table", "table, csv or json")
	return cmd
}

// userRows prints users one by one.
type userRows interface {
	add(u rotator.UserDetails) error
	// end shows what has come. A list that is not complete does not look as if it were.
	end(complete bool) error
}

func newUserRows(format string, w io.Writer) (userRows, error) {
	switch format {
	case "table":
		return &tableRows{w: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}, nil
	case "csv":
		return &csvRows{w: csv.NewWriter(w)}, nil
	case "json":
		return &jsonRows{w: w}, nil
	default:
		return nil, fmt.Errorf("--format is %q; write table, csv or json", format)
	}
}

// The columns of a table. A sheet has one more, with everything else that the provider tells.
func userColumns() []string {
	return []string{"id", "name", "email", "kind", "status", "login", "last_login"}
}

const attributesColumn = "attributes"

func userCells(u rotator.UserDetails) []string {
	cells := []string{u.ID, u.Name, u.Email, string(u.Kind), u.Status, u.Login, ""}
	if !u.LastLogin.IsZero() {
		cells[6] = u.LastLogin.UTC().Format(time.RFC3339)
	}
	return cells
}

// attributesCell reads: container=5; roles=1,5.
func attributesCell(u rotator.UserDetails) string {
	parts := make([]string, len(u.Attributes))
	for i, a := range u.Attributes {
		parts[i] = a.Name + "=" + strings.Join(a.Values, ",")
	}
	return strings.Join(parts, "; ")
}

// plainCells are the cells of a table: a tab in a name would make one cell two.
func plainCells(u rotator.UserDetails) []string {
	cells := userCells(u)
	for i, c := range cells {
		cells[i] = terminal.Text(c, "")
	}
	return cells
}

// tableRows aligns rows in groups, so that a long list begins to show at once.
type tableRows struct {
	w *tabwriter.Writer
	n int
}

const tableGroup = 200

func (t *tableRows) add(u rotator.UserDetails) error {
	if t.n == 0 {
		line(t.w, "%s", strings.ToUpper(strings.ReplaceAll(strings.Join(userColumns(), "\t"), "_", " ")))
	}
	t.n++
	line(t.w, "%s", strings.Join(plainCells(u), "\t"))
	if t.n%tableGroup == 0 {
		return t.w.Flush()
	}
	return nil
}

func (t *tableRows) end(complete bool) error {
	if t.n == 0 && complete {
		line(t.w, "no users")
	}
	return t.w.Flush()
}

type csvRows struct {
	w *csv.Writer
	n int
}

func (c *csvRows) head() error { return c.w.Write(append(userColumns(), attributesColumn)) }

func (c *csvRows) add(u rotator.UserDetails) error {
	if c.n++; c.n == 1 {
		if err := c.head(); err != nil {
			return err
		}
	}
	cells := append(userCells(u), attributesCell(u))
	for i := range cells {
		cells[i] = sheet.Cell(cells[i])
	}
	return c.w.Write(cells)
}

func (c *csvRows) end(complete bool) error {
	if c.n == 0 && complete {
		if err := c.head(); err != nil {
			return err
		}
	}
	c.w.Flush()
	return c.w.Error()
}

// jsonRows writes one array, element by element.
type jsonRows struct {
	w io.Writer
	n int
}

func (j *jsonRows) add(u rotator.UserDetails) error {
	text, err := json.MarshalIndent(u, "  ", "  ")
	if err != nil {
		return err
	}
	before := ",\n  "
	if j.n++; j.n == 1 {
		before = "[\n  "
	}
	_, err = fmt.Fprintf(j.w, "%s%s", before, text)
	return err
}

func (j *jsonRows) end(complete bool) error {
	after := "\n]\n"
	switch {
	case !complete && j.n == 0:
		return nil
	case !complete:
		after = "\n" // an array without an end is no JSON, so nobody takes it for the whole list
	case j.n == 0:
		after = "[]\n"
	}
	_, err := io.WriteString(j.w, after)
	return err
}

func usersShowCommand(f *flags) *cobra.Command {
	return &cobra.Command{
		Use: "show [PROVIDER] ID|me", Short: "Show one user", Args: args(cobra.RangeArgs(1, 2)),
		Long:    `Shows one user; "me" is the one that the daemon's own credential belongs to.`,
		Example: "  rotatord users show certcentral me",
		RunE: func(cmd *cobra.Command, given []string) error {
			provider, id := "", given[0]
			if len(given) == 2 {
				provider, id = given[0], given[1]
			}
			_, _, d, err := f.directory(provider)
			if err != nil {
				return err
			}
			u, err := d.ShowUser(cmd.Context(), id)
			if err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), u, func(w io.Writer) { printUser(w, u) })
		},
	}
}

func printUser(w io.Writer, u rotator.UserDetails) {
	cells := plainCells(u)
	for i, name := range userColumns() {
		if cells[i] != "" {
			line(w, "%s\t%s", name, cells[i])
		}
	}
	if !u.Created.IsZero() {
		line(w, "created\t%s", u.Created.UTC().Format(time.RFC3339))
	}
	for _, a := range u.Attributes {
		if a.Name != "name" && a.Name != "email" && a.Name != "login_id" {
			line(w, "%s\t%s", a.Name, strings.Join(a.Values, ", "))
		}
	}
}
