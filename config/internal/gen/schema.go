package main

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"
	"go.yaml.in/yaml/v4"

	"github.com/rotatord/rotatord/config"
)

// schemaOf returns the JSON Schema of the file.
func schemaOf(words glossary) ([]byte, error) {
	r := newReflector(words)
	schema := r.Reflect(config.Config{})
	schema.Title = "Configuration of rotatord"
	for _, s := range sectionsOf("", configType) {
		if _, known := schema.Definitions[s.kind.Name()]; !known {
			for name, definition := range r.ReflectFromType(s.kind).Definitions {
				schema.Definitions[name] = definition
			}
		}
		complete(schema.Definitions[s.kind.Name()], s.kind)
	}
	for _, s := range sectionsOf("", configType) {
		if len(variantsOf(s.kind)) > 0 {
			spread(schema.Definitions, s.kind)
		}
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(schema)
	return out.Bytes(), err
}

func newReflector(words glossary) *jsonschema.Reflector {
	return &jsonschema.Reflector{
		Anonymous: true, FieldNameTag: "yaml", RequiredFromJSONSchemaTags: true,
		Mapper: valueSchema,
		LookupComment: func(t reflect.Type, field string) string {
			if field == "" {
				return words.ofType(t)
			}
			return words.ofField(t, field)
		},
	}
}

// valueSchema describes the types that are written as a single value.
func valueSchema(t reflect.Type) *jsonschema.Schema {
	text := func(pattern, example string) *jsonschema.Schema {
		return &jsonschema.Schema{Type: "string", Pattern: pattern, Examples: []any{example}}
	}
	switch t {
	case reflect.TypeFor[config.Duration]():
		return text(`^(0|([0-9]+[smhdw])+)$`, "1d12h")
	case reflect.TypeFor[config.Percent]():
		return text(`^[0-9.]+%$`, "20%")
	case reflect.TypeFor[config.FileMode]():
		return text(`^(0|0o)?[0-7]{3}$`, "0640")
	case reflect.TypeFor[config.Moment]():
		return text(`^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt].*)?$`, "2026-12-20")
	case secretType:
		return &jsonschema.Schema{Type: "string"}
	default:
		return nil
	}
}

// complete adds what the tags of the struct say to its definition.
func complete(definition *jsonschema.Schema, t reflect.Type) {
	for _, o := range optionsOf(t) {
		property, _ := definition.Properties.Get(o.name)
		if o.kind == secretType {
			secret(definition, property, o)
			continue
		}
		if o.required && !slices.Contains(definition.Required, o.name) { // a struct may stand in several places
			definition.Required = append(definition.Required, o.name)
		}
		if o.required && o.kind.Kind() == reflect.Slice {
			one := uint64(1)
			property.MinItems = &one
		}
		if o.unless != "" {
			definition.AnyOf = append(definition.AnyOf, neededList(o.name), switchedOn(o.unless))
		}
		property.Minimum, property.Maximum = json.Number(o.min), json.Number(o.max)
		if o.fallback != "" {
			property.Default = typed(o, o.fallback)
		}
		chosen := property
		if o.kind.Kind() == reflect.Slice && len(o.enum) > 0 {
			chosen = property.Items
		}
		for _, value := range o.enum {
			chosen.Enum = append(chosen.Enum, typed(o, value))
		}
	}
}

// neededList demands at least one entry.
func neededList(name string) *jsonschema.Schema {
	one := uint64(1)
	properties := jsonschema.NewProperties()
	properties.Set(name, &jsonschema.Schema{MinItems: &one})
	return &jsonschema.Schema{Properties: properties, Required: []string{name}}
}

// switchedOn demands that a switch is on.
func switchedOn(name string) *jsonschema.Schema {
	properties := jsonschema.NewProperties()
	properties.Set(name, &jsonschema.Schema{Const: true})
	return &jsonschema.Schema{Properties: properties, Required: []string{name}}
}

// typed is the text of a tag as the JSON value it stands for.
func typed(o option, text string) any {
	switch o.kind.Kind() {
	case reflect.Slice, reflect.Bool, reflect.Int:
		var value any
		if err := yaml.Load([]byte(text), &value); err != nil {
			panic("default of " + o.name + ": " + err.Error())
		}
		return value
	default:
		return text
	}
}

// secret describes the three forms of a secret, of which one is wanted, or at most one where it is not required.
func secret(definition, inline *jsonschema.Schema, o option) {
	inline.Deprecated, inline.WriteOnly = true, true
	definition.Properties.Set(o.name+"_file", &jsonschema.Schema{
		Type: "string", Pattern: "^/", Description: "The absolute path of a file that holds it. " + inline.Description,
	})
	definition.Properties.Set(o.name+"_env", &jsonschema.Schema{
		Type: "string", Pattern: "^[A-Z_][A-Z0-9_]*$", Description: "The environment variable that holds it. " + inline.Description,
	})
	var forms []*jsonschema.Schema
	for _, form := range []string{o.name + "_file", o.name + "_env", o.name} {
		forms = append(forms, &jsonschema.Schema{Required: []string{form}})
	}
	if !o.required {
		forms = append(forms, &jsonschema.Schema{Not: &jsonschema.Schema{AnyOf: slices.Clone(forms)}})
	}
	definition.AllOf = append(definition.AllOf, &jsonschema.Schema{OneOf: forms})
}

// spread turns the definition of a struct with variants into one definition for each of them.
func spread(definitions jsonschema.Definitions, t reflect.Type) {
	base := definitions[t.Name()]
	choice := &jsonschema.Schema{Description: base.Description}
	for _, v := range variantsOf(t) {
		options := definitions[v.kind.Name()]
		for pair := base.Properties.Newest(); pair != nil; pair = pair.Prev() {
			property := *pair.Value
			if pair.Key == "type" {
				property.Const = v.name
			}
			options.Properties.Set(pair.Key, &property)
			_ = options.Properties.MoveToFront(pair.Key)
		}
		options.Required = append(append([]string{}, base.Required...), options.Required...)
		choice.OneOf = append(choice.OneOf, &jsonschema.Schema{Ref: "#/$defs/" + v.kind.Name()})
	}
	definitions[t.Name()] = choice
}

// ofType returns the comment of a type without its name in Go in front.
func (g glossary) ofType(t reflect.Type) string {
	return oneLine(g[t.Name()])
}

// ofField returns the comment of a field, beginning with its name in the file.
func (g glossary) ofField(t reflect.Type, goName string) string {
	text := oneLine(g[t.Name()+"."+goName])
	for _, o := range optionsOf(t) {
		if o.goName == goName {
			return strings.Replace(text, goName, o.name, 1)
		}
	}
	return text
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
