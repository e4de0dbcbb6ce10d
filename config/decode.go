package config

import (
	"encoding"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxNodes bounds what aliases can blow a file up to.
const maxNodes = 250_000

// decoder turns YAML nodes into the structs of this package and collects what is wrong on the way.
//
// The YAML library's own decoder is strict too, but its errors quote the value they are about, which may be a secret
// in the wrong place, and they do not name the path; and a decoded struct does not remember where its fields stood,
// which the checks that follow need.
type decoder struct {
	file     string
	problems Problems
	warnings Problems
	places   map[string]*yaml.Node // where the value of each path stands
	bad      map[string]bool       // paths that have a problem already
	secrets  []placedSecret
	nodes    int
}

// placedSecret is a reference to a secret and a warning that only lacks its message.
type placedSecret struct {
	ref   SecretRef
	where Problem
}

// entry is one field of a mapping.
type entry struct{ key, value *yaml.Node }

func newDecoder(file string) *decoder {
	return &decoder{file: file, places: map[string]*yaml.Node{}, bad: map[string]bool{}}
}

// problem reports an error at the node.
func (d *decoder) problem(n *yaml.Node, path, suggestion, format string, args ...any) {
	d.bad[path] = true
	d.problems = append(d.problems, d.at(n, path, suggestion, fmt.Sprintf(format, args...)))
}

func (d *decoder) at(n *yaml.Node, path, suggestion, message string) Problem {
	return Problem{File: d.file, Line: max(1, n.Line), Column: max(1, n.Column), Path: path, Message: message, Suggestion: suggestion}
}

// value decodes n into v.
func (d *decoder) value(path string, n *yaml.Node, v reflect.Value, f field) {
	d.places[path] = n
	if d.nodes++; d.nodes > maxNodes {
		return // reported once, by document
	}
	target := n
	if n.Kind == yaml.AliasNode {
		target = n.Alias
	}
	if d.refused(path, n, target) {
		return
	}
	if text, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.text(path, n, target, text)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(path, n, v.Elem(), f)
	case reflect.Struct:
		d.object(path, target, v)
	case reflect.Slice:
		d.list(path, target, v, f)
	case reflect.Map:
		d.dictionary(path, target, v)
	default:
		d.scalar(path, n, target, v, f)
	}
}

// refused reports what is never right: nothing behind the colon, and tags.
func (d *decoder) refused(path string, n, target *yaml.Node) bool {
	switch {
	case target.Kind == yaml.ScalarNode && target.Tag == "!!null":
		d.problem(n, path, "write a value, or leave the field out", "has no value")
	case target.Style&yaml.TaggedStyle != 0:
		d.problem(n, path, "leave the tag out", "YAML tags (a word with ! in front) are not understood here")
	default:
		return false
	}
	return true
}

// object decodes a mapping into a struct.
func (d *decoder) object(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.problem(n, path, "", "is %s; fields are expected here", kindName(n))
		return
	}
	entries := d.entries(path, n, 0)
	variant, typed := d.variant(path, n, entries, v)
	selectVariant(v, variant)
	fields := fieldsOf(v.Type(), variant)
	for _, f := range fields {
		d.field(path, n, entries, v.FieldByIndex(f.index), f)
	}
	if typed {
		d.unknown(path, entries, keysOf(fields))
	}
}

// variant returns the value of the field type, where the struct has options that depend on it. It is false when the type
// is not known: then nobody can say which fields the mapping may have.
func (d *decoder) variant(path string, n *yaml.Node, entries []entry, v reflect.Value) (string, bool) {
	variants := variantsOf(v.Type())
	if len(variants) == 0 {
		return "", true
	}
	e, ok := find(entries, "type")
	if !ok {
		d.problem(n, join(path, "type"), "write one of: "+strings.Join(variants, ", "), "is missing")
		return "", false
	}
	for _, known := range variants {
		if e.value.Kind == yaml.ScalarNode && e.value.Value == known {
			return known, true
		}
	}
	d.problem(e.value, join(path, "type"), oneOf(e.value.Value, variants), "is not a type that exists")
	return "", false
}

func (d *decoder) field(path string, n *yaml.Node, entries []entry, v reflect.Value, f field) {
	if f.kind == secretType {
		d.secret(path, n, entries, v, f)
		return
	}
	name := join(path, f.name)
	if e, ok := find(entries, f.name); ok {
		d.value(name, e.value, v, f)
		return
	}
	switch {
	case d.bad[name]: // reported where it was looked for first
	case f.required:
		d.problem(n, name, "", "is missing")
	case f.fallback != "":
		applyDefault(v, f)
	case v.Kind() == reflect.Struct && !isText(v.Type()):
		// The fields of a section that was left out have defaults too, and may be required.
		d.object(name, &yaml.Node{Kind: yaml.MappingNode, Line: n.Line, Column: n.Column}, v)
	}
}

// applyDefault decodes the default of the field. This is the one place where defaults come from. A default that does
// not decode is a mistake in this package, which every test finds.
func applyDefault(v reflect.Value, f field) {
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: f.fallback}
	if v.Kind() == reflect.Slice {
		var document yaml.Node
		if err := yaml.Load([]byte(f.fallback), &document); err != nil {
			panic("config: the default of " + f.name + " is not YAML")
		}
		n = document.Content[0]
	}
	sub := newDecoder("")
	sub.value(f.name, n, v, f)
	if len(sub.problems) > 0 {
		panic("config: the default of " + sub.problems.Error())
	}
}

func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// fieldLike is what names of fields look like. What does not look so is not repeated in an error: in {a: b,c} the
// text behind the comma of an unquoted secret is the name of a field.
var fieldLike = regexp.MustCompile(`^[a-z][a-z_]{0,39}$`)

func (d *decoder) unknown(path string, entries []entry, known []string) {
	for _, e := range entries {
		if isOneOf(e.key.Value, known) {
			continue
		}
		message := "there is no such field"
		if fieldLike.MatchString(e.key.Value) && e.value.Tag != "!!null" {
			message = fmt.Sprintf("unknown field %q", e.key.Value)
		}
		d.problem(e.key, path, oneOf(e.key.Value, known), "%s", message)
	}
}

// list decodes a sequence into a slice.
func (d *decoder) list(path string, n *yaml.Node, v reflect.Value, f field) {
	if n.Kind != yaml.SequenceNode {
		d.problem(n, path, "write it as a list: [a, b]", "is %s; a list is expected here", kindName(n))
		return
	}
	if d.nodes+len(n.Content) > maxNodes {
		d.nodes = maxNodes + 1
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		d.value(fmt.Sprintf("%s[%d]", path, i), item, v.Index(i), f)
	}
	if len(n.Content) == 0 && f.required {
		d.problem(n, path, "", "is an empty list; at least one entry is needed")
	}
}

// dictionary decodes a mapping into a map of text.
func (d *decoder) dictionary(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.problem(n, path, "write it as {name: value}", "is %s; names with values are expected here", kindName(n))
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, e := range d.entries(path, n, 0) {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(join(path, e.key.Value), e.value, item, field{})
		v.SetMapIndex(reflect.ValueOf(e.key.Value), item)
	}
}

// entries returns the fields of a mapping, with those that a merge key (<<) brings in behind them, and reports
// what stands there twice.
func (d *decoder) entries(path string, n *yaml.Node, depth int) []entry {
	var own, merged []entry
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content) && d.nodes <= maxNodes; i += 2 {
		e := entry{n.Content[i], n.Content[i+1]}
		d.nodes++
		switch {
		case e.key.Tag == "!!merge":
			merged = append(merged, d.merge(path, e.value, depth)...)
		case e.key.Kind != yaml.ScalarNode:
			d.problem(e.key, path, "", "the name of a field must be plain text")
		case seen[e.key.Value]:
			d.problem(e.key, path, "keep one of them", "a field stands here twice")
		default:
			seen[e.key.Value] = true
			own = append(own, e)
		}
	}
	for _, e := range merged {
		if !seen[e.key.Value] {
			seen[e.key.Value] = true
			own = append(own, e)
		}
	}
	return own
}

// merge returns the fields of the mapping, or the list of mappings, behind a merge key.
func (d *decoder) merge(path string, n *yaml.Node, depth int) []entry {
	const deepest = 10
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case depth == deepest || d.nodes > maxNodes:
		d.problem(n, path, "", "merge keys (<<) are nested too deep")
		return nil
	case n.Kind == yaml.MappingNode:
		return d.entries(path, n, depth+1)
	case n.Kind == yaml.SequenceNode:
		var all []entry
		for _, item := range n.Content {
			all = append(all, d.merge(path, item, depth+1)...)
		}
		return all
	default:
		d.problem(n, path, "write << with an alias, as in <<: *name", "a merge key (<<) wants fields to merge")
		return nil
	}
}

func find(entries []entry, name string) (entry, bool) {
	for _, e := range entries {
		if e.key.Value == name {
			return e, true
		}
	}
	return entry{}, false
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping of fields"
	case yaml.SequenceNode:
		return "a list"
	default:
		return "a single value"
	}
}
