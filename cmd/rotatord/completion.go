package main

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/client"
	"github.com/rotatord/rotatord/rotator"
)

const (
	// completionPatience is how long a shell waits for names; without them it completes nothing, and says nothing.
	completionPatience = time.Second
	// completionNames bounds the names that are offered at once.
	completionNames = 200
)

// lookup asks a daemon for the names that begin with what was typed.
type lookup func(ctx context.Context, c *client.Client, typed string) ([]string, error)

// completeLive completes arguments and flags with the names that the running daemon has.
func completeLive(root *cobra.Command, f *flags) {
	arguments := map[string]lookup{
		"rotate": credentials, "drill": credentials, "verify": credentials, "hold": credentials, "undo": credentials, "supply": credentials,
		"removed": credentials, "release": held, "approve": providers, "history": past, "freeze lift": freezeIDs,
	}
	for path, of := range arguments {
		if cmd, _, err := root.Find(strings.Fields(path)); err == nil {
			cmd.ValidArgsFunction = onlyFirst(f.live(of))
		}
	}
	for _, cmd := range append(root.Commands(), subcommands(root)...) {
		for name, of := range map[string]lookup{"provider": providers, "policy": policies, "incident": incidentIDs} {
			if cmd.Flags().Lookup(name) != nil {
				_ = cmd.RegisterFlagCompletionFunc(name, f.live(of)) // it fails for a flag that is not there
			}
		}
		for name, words := range map[string][]string{"reason": texts(rotator.Reasons()), "state": {"all", "ended", "open"}} {
			if cmd.Name() == "history" {
				_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
			}
		}
	}
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "text"}, cobra.ShellCompDirectiveNoFileComp))
}

func subcommands(root *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, cmd := range root.Commands() {
		all = append(all, cmd.Commands()...)
	}
	return all
}

func texts[T ~string](all []T) []string {
	out := make([]string, len(all))
	for i, v := range all {
		out[i] = string(v)
	}
	return out
}

// live completes with what the daemon says, and with nothing where it says nothing: a shell is no place for errors.
func (f *flags) live(of lookup) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		const none = cobra.ShellCompDirectiveNoFileComp
		c, err := f.daemon()
		if err != nil {
			return nil, none
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionPatience)
		defer cancel()
		names, err := of(ctx, c, typed)
		if err != nil {
			return nil, none
		}
		directive := none
		var fit []string
		for _, n := range names {
			if strings.HasPrefix(n, typed) && !strings.ContainsAny(n, "\t\n\r") {
				fit = append(fit, n)
			}
			if strings.HasSuffix(n, "/") {
				directive |= cobra.ShellCompDirectiveNoSpace // more is to come
			}
		}
		return fit, directive
	}
}

// onlyFirst completes the first argument alone.
func onlyFirst(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, given []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(given) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(cmd, given, typed)
	}
}

func providers(ctx context.Context, c *client.Client, _ string) ([]string, error) {
	s, err := c.Status(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, p := range s.Providers {
		names = append(names, p.Name)
	}
	return names, nil
}

func policies(ctx context.Context, c *client.Client, _ string) ([]string, error) {
	p, err := c.Policies(ctx)
	return p.Policies, err
}

// credentials completes a provider first, and then a credential of it, by the service user's id.
func credentials(ctx context.Context, c *client.Client, typed string) ([]string, error) {
	provider, rest, chosen := strings.Cut(typed, "/")
	if !chosen {
		names, err := providers(ctx, c, typed)
		for i := range names {
			names[i] += "/"
		}
		return names, err
	}
	user, _, _ := strings.Cut(rest, "/")
	found, err := c.Credentials(ctx, url.Values{"provider": {provider}, "search": {user}, "limit": {"200"}})
	if err != nil {
		return nil, err
	}
	var names []string
	for i := range found.Credentials {
		k := &found.Credentials[i]
		names = append(names, k.String())
		if named := provider + "/" + k.ServiceUser + "/" + k.Credential; k.ServiceUser != "" && !strings.Contains(k.ServiceUser, "/") {
			names = append(names, named)
		}
	}
	return names, nil
}

func held(ctx context.Context, c *client.Client, _ string) ([]string, error) {
	h, err := c.Holds(ctx, completionNames)
	var names []string
	for _, one := range h.Holds {
		names = append(names, one.String())
	}
	return names, err
}

// past completes the ids of the latest rotations, and credentials.
func past(ctx context.Context, c *client.Client, typed string) ([]string, error) {
	names, err := credentials(ctx, c, typed)
	if err != nil || strings.Contains(typed, "/") {
		return names, err
	}
	r, err := c.Rotations(ctx, url.Values{"state": {"all"}, "limit": {"200"}})
	for i := range r.Rotations {
		names = append(names, r.Rotations[i].ID)
	}
	return names, err
}

func freezeIDs(ctx context.Context, c *client.Client, _ string) ([]string, error) {
	found, err := c.Freezes(ctx)
	var ids []string
	for _, one := range found.Freezes {
		if one.ID != "" {
			ids = append(ids, one.ID)
		}
	}
	return ids, err
}

func incidentIDs(ctx context.Context, c *client.Client, _ string) ([]string, error) {
	found, err := c.Incidents(ctx, completionNames)
	var ids []string
	for _, one := range found.Incidents {
		ids = append(ids, one.ID)
	}
	return ids, err
}
