package manual

import (
	"fmt"
	"io"
	"strings"
	"text/template"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/sinks/pathtemplate"
)

// The texts where the configuration has none.
const (
	defaultMake = `Make a new key for {{.User}} where its keys are made, and name it {{.KeyName}}{{if .Until}}; let it be valid until {{.Until}}{{end}}. ` +
		`Hand it over with ` + "`{{.Supply}}`" + `, which asks for it. Leave the old key as it is: it is in use until the new one is everywhere.`
	defaultRemove = `Remove the key {{.KeyName}} of {{.User}} where its keys are made, and no other.{{if .Until}} Left alone it ends by itself on {{.Until}}.{{end}}`
)

// toMake and toRemove are what the templates see.
type toMake struct{ User, KeyName, Until, Supply string }

type toRemove struct{ User, KeyName, Until string }

// maxInstructions bounds what a person is told, in bytes.
const maxInstructions = 64 << 10

// instructions parses a template and tries it.
func instructions(name, text, fallback string) (*template.Template, error) {
	if strings.TrimSpace(text) == "" {
		text = fallback
	}
	t, err := template.New(name).Funcs(pathtemplate.Functions()).Parse(text)
	if err == nil {
		var sample any = toMake{"user", "key", "2030-01-31", "rotatord supply"}
		fields := []string{"User", "KeyName", "Until", "Supply"}
		if name == "remove" {
			sample, fields = toRemove{"user", "key", "2030-01-31"}, fields[:3]
		}
		if err = pathtemplate.Restrict(t, fields); err == nil {
			err = pathtemplate.Execute(io.Discard, t, sample, maxInstructions)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the instructions %q are not a template: %w", name, err)
	}
	return t, nil
}

// HowToMake implements [rotator.Guide].
func (p *Provider) HowToMake(userID, userName, keyName string, until time.Time) string {
	base, _ := rotator.SplitName(keyName)
	return render(p.make, toMake{
		User: called(userID, userName), KeyName: keyName, Until: day(until), Supply: fmt.Sprintf("rotatord supply %s/%s/%s", p.name, userID, base),
	})
}

// HowToRemove implements [rotator.Guide].
func (p *Provider) HowToRemove(userID, userName string, key rotator.Key) string {
	return render(p.remove, toRemove{User: called(userID, userName), KeyName: key.Name, Until: day(key.Expires)})
}

// render cannot fail with a template that was tried; should it all the same, people see how far it came.
func render(t *template.Template, fields any) string {
	var b strings.Builder
	if err := pathtemplate.Execute(&b, t, fields, maxInstructions); err != nil {
		fmt.Fprintf(&b, " (the instructions in the configuration end here: %v)", err)
	}
	return b.String()
}

func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}

func called(id, name string) string {
	if name == "" {
		return id
	}
	return name
}
