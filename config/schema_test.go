package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// plain turns YAML into what an editor hands to a schema: a date stays the text that it is written as.
func plain(t *testing.T, n *yaml.Node) any {
	t.Helper()
	switch n.Kind {
	case yaml.DocumentNode:
		return plain(t, n.Content[0])
	case yaml.AliasNode:
		return plain(t, n.Alias)
	case yaml.MappingNode:
		fields := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			fields[n.Content[i].Value] = plain(t, n.Content[i+1])
		}
		return fields
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			list = append(list, plain(t, item))
		}
		return list
	}
	if n.Tag == "!!timestamp" {
		return n.Value
	}
	var value any
	if err := n.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func validate(t *testing.T, schema *jsonschema.Schema, text string) error {
	t.Helper()
	var document yaml.Node
	if err := yaml.Load([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	return schema.Validate(plain(t, &document))
}

func TestSchemaAcceptsWhatParseAccepts(t *testing.T) {
	example, err := os.ReadFile(filepath.Join("..", "deploy", "rotatord.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	schema := compiled(t)
	for name, text := range map[string]string{"example": string(example), "base": base} {
		mustParse(t, text)
		if err := validate(t, schema, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSchemaRefusesWhatParseRefuses(t *testing.T) {
	schema := compiled(t)
	for name, edits := range map[string][]string{
		"unknown field":          {"grace: 7d", "grace: 7d\n    gracee: 7d"},
		"unknown provider field": {"type: certcentral", "type: certcentral\n    mount: x"},
		"field of another type":  {"type: file", "type: file\n    mount: x"},
		"missing field":          {"    grace: 7d\n", ""},
		"wrong unit":             {"grace: 7d", "grace: 7y"},
		"no secret":              {"    api_key_file: /etc/cc.key\n", ""},
		"two secrets":            {"    api_key_file: /etc/cc.key\n", "    api_key_file: /etc/cc.key\n    api_key_env: CC\n"},
		"unknown type":           {"type: certcentral", "type: other"},
		"number too large":       {"type: certcentral", "type: certcentral\n    page_size: 5000"},
		"no sinks":               {"[disk]", "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			text := edited(t, edits...)
			if len(errorsOf(t, text)) == 0 {
				t.Error("Parse accepts it")
			}
			if validate(t, schema, text) == nil {
				t.Error("the schema accepts it")
			}
		})
	}
}

func TestSchemaTellsDefaultsAndMeaning(t *testing.T) {
	text := string(Schema())
	for _, want := range []string{`"default": "127.0.0.1:9650"`, `"default": "20%"`, "renew_before is how long before the deadline"} {
		if !strings.Contains(text, want) {
			t.Errorf("the schema does not hold %s", want)
		}
	}
}
