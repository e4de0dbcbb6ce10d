package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/vault/api"
)

// engine speaks to one version of the key-value engine. Its paths are below the mount; its errors are the client's.
type engine interface {
	// version is 1 or 2.
	version() int
	// read returns what is at path. Nothing there is an entry that is not present.
	read(ctx context.Context, c *api.Client, path string) (entry, error)
	// next is the number that a write over now will be given.
	next(now entry) int
	// write replaces now, or returns errMoved where somebody else did before. An errOddAnswer leaves open what happened.
	write(ctx context.Context, c *api.Client, path string, now entry, data map[string]any) error
	// annotate replaces the custom metadata.
	annotate(ctx context.Context, c *api.Client, path string, custom map[string]string) error
	// where names an entry for people; remove is the command that clears it.
	where(location string, now entry) string
	remove(path string) string
}

var (
	errMoved     = errors.New("somebody else wrote there in the same moment")
	errOddAnswer = errors.New("the answer to the write is not one that the engine gives")
)

// casMismatch is what version 2 answers with status 400.
const casMismatch = "check-and-set parameter did not match the current version"

type kv1 struct{ mount, flags string }

func (kv1) version() int   { return 1 }
func (kv1) next(entry) int { return 0 }

func (k kv1) read(ctx context.Context, c *api.Client, path string) (entry, error) {
	var answer struct {
		Data map[string]any `json:"data"`
	}
	found, err := get(ctx, c, k.mount+"/"+path, &answer)
	return entry{present: found, data: answer.Data}, err
}

func (k kv1) write(ctx context.Context, c *api.Client, path string, _ entry, data map[string]any) error {
	_, err := c.Logical().WriteWithContext(ctx, k.mount+"/"+path, data)
	return err
}

func (kv1) annotate(context.Context, *api.Client, string, map[string]string) error { return nil }

func (k kv1) where(location string, _ entry) string { return location }
func (k kv1) remove(path string) string {
	return fmt.Sprintf("vault kv delete%s -mount=%s %s", k.flags, k.mount, path)
}

type kv2 struct{ mount, flags string }

func (kv2) version() int       { return 2 }
func (kv2) next(now entry) int { return now.kv + 1 }

func (k kv2) read(ctx context.Context, c *api.Client, path string) (entry, error) {
	var answer struct {
		Data struct {
			Data     map[string]any `json:"data"`
			Metadata struct {
				Version     int               `json:"version"`
				CreatedTime string            `json:"created_time"`
				Custom      map[string]string `json:"custom_metadata"`
			} `json:"metadata"`
		} `json:"data"`
	}
	if _, err := get(ctx, c, k.mount+"/data/"+path, &answer); err != nil {
		return entry{}, err
	}
	// What was deleted is answered with 404 and the metadata, without data.
	data, meta := answer.Data.Data, answer.Data.Metadata
	return entry{present: data != nil, data: data, kv: meta.Version, written: meta.CreatedTime, custom: meta.Custom}, nil
}

func (k kv2) write(ctx context.Context, c *api.Client, path string, now entry, data map[string]any) error {
	answer, err := c.Logical().WriteWithContext(ctx, k.mount+"/data/"+path, map[string]any{
		"data": data, "options": map[string]any{"cas": now.kv},
	})
	if refusal, ok := errors.AsType[*api.ResponseError](err); ok && refusal.StatusCode == http.StatusBadRequest &&
		strings.Contains(strings.Join(refusal.Errors, " "), casMismatch) {
		return errMoved
	}
	if err != nil {
		return err
	}
	if answer == nil || fmt.Sprint(answer.Data["version"]) != fmt.Sprint(k.next(now)) {
		return errOddAnswer
	}
	return nil
}

func (k kv2) annotate(ctx context.Context, c *api.Client, path string, custom map[string]string) error {
	_, err := c.Logical().WriteWithContext(ctx, k.mount+"/metadata/"+path, map[string]any{"custom_metadata": custom})
	return err
}

func (kv2) where(location string, now entry) string {
	if now.kv == 0 {
		return location
	}
	return fmt.Sprintf("%s (KV version %d)", location, now.kv)
}

func (k kv2) remove(path string) string {
	return fmt.Sprintf("vault kv delete%[1]s -mount=%[2]s %[3]s; with its history and marks: vault kv metadata delete%[1]s -mount=%[2]s %[3]s",
		k.flags, k.mount, path)
}

// get reads a path into answer and reports whether something is there. A 404 that says why is an error: the client's own
// reading functions would take a missing mount for a missing entry.
func get(ctx context.Context, c *api.Client, path string, answer any) (found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.ClientTimeout())
	defer cancel()
	raw, err := c.Logical().ReadRawWithContext(ctx, path)
	if raw != nil {
		defer raw.Body.Close() //nolint:errcheck // opened for reading
	}
	refusal, ok := errors.AsType[*api.ResponseError](err)
	missing := ok && refusal.StatusCode == http.StatusNotFound && len(refusal.Errors) == 0
	if err != nil && !missing {
		return false, err
	}
	if err := json.NewDecoder(raw.Body).Decode(answer); err != nil {
		return false, fmt.Errorf("the answer is not Vault's: %w", err)
	}
	return !missing, nil
}
