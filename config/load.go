package config

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxFile bounds the size of a configuration file.
const maxFile = 16 << 20

//go:embed schema.json
var schema []byte

// Schema returns the JSON Schema of the file, for editors.
func Schema() []byte { return bytes.Clone(schema) }

// Load reads the file at path and checks it. An error about its content is of type [Problems] and holds all of them.
// Beyond what Parse does, it looks at the files of secrets that exist, and warns of those that everybody can read.
func Load(path string) (*Config, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	cfg, err := Parse(path, data)
	if err != nil {
		return nil, err
	}
	for _, s := range cfg.secrets {
		if message := s.ref.Warning(); message != "" {
			s.where.Message = message
			cfg.Warnings = append(cfg.Warnings, s.where)
		}
	}
	cfg.Warnings = cfg.Warnings.sorted()
	return cfg, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the path is the operator's choice
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %d MiB", path, maxFile>>20)
	}
	return data, err
}

// Parse checks the text of a configuration file; name is what errors call it. All errors are returned at once, as
// [Problems]. Defaults are filled in.
func Parse(name string, data []byte) (*Config, error) {
	d := newDecoder(name)
	cfg := &Config{}
	if root, ok := d.document(data); ok {
		d.object("", root, reflect.ValueOf(cfg).Elem())
		(&checker{decoder: d, cfg: cfg}).check()
	}
	if d.nodes > maxNodes {
		d.problems = Problems{d.at(&yaml.Node{}, "", "use fewer aliases", "the file expands to too many values")}
	}
	if len(d.problems) > 0 {
		return nil, d.problems.sorted()
	}
	cfg.Warnings, cfg.secrets = d.warnings.sorted(), d.secrets
	return cfg, nil
}

// document parses the YAML and returns the node of the one document in it.
func (d *decoder) document(data []byte) (*yaml.Node, bool) {
	if len(bytes.TrimSpace(data)) == 0 {
		d.problem(&yaml.Node{}, "", "the documentation has an example to start from", "the file is empty")
		return nil, false
	}
	var document yaml.Node
	if err := yaml.Load(data, &document); err != nil {
		d.syntax(err)
		return nil, false
	}
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		d.problem(&document, "", "the documentation has an example to start from", "the file holds no fields")
		return nil, false
	}
	d.places[""] = document.Content[0]
	return document.Content[0], true
}

// quoted is what the YAML library repeats of the file. A secret that begins with * is an alias to it, whose name it
// would print.
var quoted = regexp.MustCompile("(?s) ?[\"'`].*[\"'`]")

// syntax reports an error of the YAML library in the words of a problem.
func (d *decoder) syntax(err error) {
	if list, ok := errors.AsType[*yaml.LoadErrors](err); ok && len(list.Errors) > 0 {
		err = list.Errors[0]
	}
	load, ok := errors.AsType[*yaml.LoadError](err)
	if !ok {
		d.problem(&yaml.Node{}, "", "", "is not YAML")
		return
	}
	mark := load.Mark
	if mark.Line == 0 {
		mark = load.ContextMark
	}
	message := strings.TrimPrefix(quoted.ReplaceAllString(load.Message, ""), "yaml: ")
	if load.ContextMsg != "" {
		message += ", " + quoted.ReplaceAllString(load.ContextMsg, "")
	}
	d.problem(&yaml.Node{Line: mark.Line, Column: mark.Column}, "",
		"check the indentation, and put values with special characters in quotes", "is not valid YAML: %s", message)
}
