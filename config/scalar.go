package config

import (
	"encoding"
	"errors"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/rotatord/rotatord/rotator"
)

// text decodes a value that has a form of its own: a duration, a percentage, a date.
func (d *decoder) text(path string, n, target *yaml.Node, into encoding.TextUnmarshaler) {
	if target.Kind != yaml.ScalarNode {
		d.problem(n, path, "", "is %s; a single value is expected here", kindName(target))
		return
	}
	err := into.UnmarshalText([]byte(target.Value))
	if h, ok := errors.AsType[*hint](err); ok {
		d.problem(n, path, h.instead, "%s", h.what)
	} else if err != nil {
		d.problem(n, path, "", "%v", err)
	}
}

// scalar decodes text, numbers and switches. Text may look like a number: a name can be 42.
func (d *decoder) scalar(path string, n, target *yaml.Node, v reflect.Value, f field) {
	if target.Kind != yaml.ScalarNode {
		d.problem(n, path, "", "is %s; a single value is expected here", kindName(target))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		d.boolean(path, n, target.Value, v)
	case reflect.Int:
		d.integer(path, n, target.Value, v, f)
	default:
		v.SetString(target.Value)
	}
	if len(f.enum) > 0 && !d.bad[path] && !isOneOf(target.Value, f.enum) {
		d.problem(n, path, oneOf(target.Value, f.enum), "is not a value that exists")
	}
}

func (d *decoder) boolean(path string, n *yaml.Node, text string, v reflect.Value) {
	if text != "true" && text != "false" {
		d.problem(n, path, "write true or false", "is neither true nor false")
		return
	}
	v.SetBool(text == "true")
}

func (d *decoder) integer(path string, n *yaml.Node, text string, v reflect.Value, f field) {
	number, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		d.problem(n, path, "write digits only", "is not a whole number")
	case f.min != nil && number < *f.min:
		d.problem(n, path, "", "is %d; the smallest allowed is %d", number, *f.min)
	case f.max != nil && number > *f.max:
		d.problem(n, path, "", "is %d; the largest allowed is %d", number, *f.max)
	default:
		v.SetInt(number)
	}
}

// secret decodes the three forms of a secret.
func (d *decoder) secret(path string, n *yaml.Node, entries []entry, v reflect.Value, f field) {
	var found []entry
	for _, e := range entries {
		if isOneOf(e.key.Value, f.keys()) {
			found = append(found, e)
		}
	}
	name := join(path, f.name)
	switch {
	case len(found) == 0 && f.required:
		d.problem(n, name, "write "+f.name+"_file with an absolute path, or "+f.name+"_env with the name of a variable", "is missing")
	case len(found) > 1:
		d.problem(found[1].key, name, "keep one of them", "%s and %s are both set", found[0].key.Value, found[1].key.Value)
	case len(found) == 1:
		d.reference(join(path, found[0].key.Value), strings.TrimPrefix(found[0].key.Value, f.name), found[0].value, v)
	}
}

// variableName is the convention for names of environment variables. Small letters are left out on purpose: keys have
// them, and a key pasted here would be printed as the name of a variable that is not set.
var variableName = regexp.MustCompile(`^[A-Z_][A-Z0-9_]{0,127}$`)

// reference decodes one form of a secret; form is what stands behind its name. People paste secrets where the name of
// a file or a variable belongs, so no error here repeats the value, and what cannot be such a name is not accepted.
func (d *decoder) reference(path, form string, n *yaml.Node, v reflect.Value) {
	var text string
	d.value(path, n, reflect.ValueOf(&text).Elem(), field{})
	if d.bad[path] {
		return
	}
	ref := SecretRef{}
	switch {
	case text == "":
		d.problem(n, path, "", "is empty")
	case form == "_file" && !filepath.IsAbs(text):
		d.problem(n, path, "write a path that begins with /", "is not the absolute path of a file")
	case form == "_env" && !variableName.MatchString(text):
		d.problem(n, path, "write a name such as CERTCENTRAL_API_KEY", "is not the name of an environment variable")
	case form == "_file":
		ref.File = text
	case form == "_env":
		ref.Env = text
	default:
		ref.Value = rotator.SecretString(text)
		name := path[strings.LastIndex(path, ".")+1:]
		d.warn(n, path, "write "+name+"_file or "+name+"_env instead",
			"the secret itself stands in the configuration file, where whoever reads the file sees it")
	}
	v.Set(reflect.ValueOf(ref))
	d.secrets = append(d.secrets, placedSecret{ref, d.at(n, path, "chmod o-r, or use a systemd credential", "")})
}

func (d *decoder) warn(n *yaml.Node, path, suggestion, message string) {
	d.warnings = append(d.warnings, d.at(n, path, suggestion, message))
}

func isOneOf(word string, words []string) bool { return slices.Contains(words, word) }
