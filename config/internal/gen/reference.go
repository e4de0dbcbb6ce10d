package main

import (
	_ "embed"
	"fmt"
	"reflect"
	"strings"

	"github.com/rotatord/rotatord/config"
)

//go:embed intro.md
var intro string

// referenceOf returns the page of the documentation.
func referenceOf(words glossary) []byte {
	var b strings.Builder
	b.WriteString(intro)
	for _, s := range sectionsOf("", configType) {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", heading(s), paragraphs(words, s))
		b.WriteString("| field | value | default | |\n|---|---|---|---|\n")
		for _, o := range optionsOf(s.kind) {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", names(o), kind(o, s.kind), fallback(o), cell(o, words.ofField(s.kind, o.goName)))
		}
	}
	return []byte(b.String())
}

func heading(s section) string {
	switch {
	case s.path == "":
		return "The file"
	case s.note != "":
		return "`" + s.path + "`, " + s.note
	default:
		return "`" + s.path + "`"
	}
}

// paragraphs keeps the paragraphs of a type's comment, and begins it with what the reader knows the type by.
func paragraphs(words glossary, s section) string {
	parts := strings.Split(words[s.kind.Name()], "\n\n")
	for i := range parts {
		parts[i] = oneLine(parts[i])
	}
	known := "`" + s.path + "`"
	switch {
	case s.path == "":
		known = "This"
	case s.note != "":
		known = "These"
	}
	parts[0] = strings.Replace(parts[0], s.kind.Name(), known, 1)
	return strings.Join(parts, "\n\n")
}

func names(o option) string {
	if o.kind == secretType {
		return fmt.Sprintf("`%s_file`, `%s_env` or `%s`", o.name, o.name, o.name)
	}
	return "`" + o.name + "`"
}

// kind says what to write.
func kind(o option, parent reflect.Type) string {
	if variants := variantsOf(parent); o.name == "type" && len(variants) > 0 {
		for _, v := range variants {
			o.enum = append(o.enum, v.name)
		}
	}
	if len(o.enum) > 0 {
		values := "`" + strings.Join(o.enum, "`, `") + "`"
		if o.kind.Kind() == reflect.Slice {
			return "list of: " + values
		}
		return values
	}
	word := kindOf(o.kind)
	switch {
	case o.min != "" && o.max != "":
		return fmt.Sprintf("%s, %s to %s", word, o.min, o.max)
	case o.min != "":
		return fmt.Sprintf("%s, at least %s", word, o.min)
	default:
		return word
	}
}

func kindOf(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[config.Duration]():
		return "duration"
	case reflect.TypeFor[config.Percent]():
		return "percentage"
	case reflect.TypeFor[config.FileMode]():
		return "file mode"
	case reflect.TypeFor[config.Moment]():
		return "date or time"
	case secretType:
		return "secret"
	}
	switch t.Kind() {
	case reflect.Slice:
		return "list of " + kindOf(t.Elem())
	case reflect.Map:
		return "names with text"
	case reflect.Bool:
		return "`true` or `false`"
	case reflect.Int:
		return "number"
	case reflect.String:
		return "text"
	default:
		return "fields"
	}
}

func fallback(o option) string {
	switch {
	case o.required:
		return "required"
	case o.unless != "":
		return "required unless `" + o.unless + "`"
	case o.fallback == "":
		return "–"
	default:
		return "`" + o.fallback + "`"
	}
}

// cell sets the name of the field apart and keeps the table whole.
func cell(o option, text string) string {
	if rest, ok := strings.CutPrefix(text, o.name+" "); ok {
		text = "`" + o.name + "` " + rest
	}
	return strings.ReplaceAll(text, "|", `\|`)
}
