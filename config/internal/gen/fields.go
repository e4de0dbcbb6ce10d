package main

import (
	"reflect"
	"strings"

	"github.com/rotatord/rotatord/config"
)

// option is a field of the file.
type option struct {
	name     string // in the file
	goName   string
	kind     reflect.Type
	required bool
	unless   string // the switch that makes a list needless
	fallback string
	enum     []string
	min, max string
}

var (
	configType = reflect.TypeFor[config.Config]()
	secretType = reflect.TypeFor[config.SecretRef]()
)

// optionsOf lists the fields that a struct has in the file.
func optionsOf(t reflect.Type) []option {
	var options []option
	for sf := range t.Fields() {
		name := sf.Tag.Get("yaml")
		if name == "" || name == "-" {
			continue
		}
		o := option{
			name: name, goName: sf.Name, kind: sf.Type, required: sf.Tag.Get("required") == "true",
			unless: sf.Tag.Get("required_unless"), fallback: sf.Tag.Get("default"), min: sf.Tag.Get("min"), max: sf.Tag.Get("max"),
		}
		if enum := sf.Tag.Get("enum"); enum != "" {
			o.enum = strings.Split(enum, ",")
		}
		options = append(options, o)
	}
	return options
}

// variant is the options of one value of the field "type".
type variant struct {
	name string
	kind reflect.Type
}

func variantsOf(t reflect.Type) []variant {
	var variants []variant
	for sf := range t.Fields() {
		if name := sf.Tag.Get("variant"); name != "" {
			variants = append(variants, variant{name, sf.Type.Elem()})
		}
	}
	return variants
}

// section is a struct of the file, and where it stands there.
type section struct {
	path string
	kind reflect.Type
	note string
}

// sectionsOf lists the struct at path and all below it, in the order in which they are declared.
func sectionsOf(path string, t reflect.Type) []section {
	sections := []section{{path: path, kind: t}}
	for _, v := range variantsOf(t) {
		below := sectionsOf(path, v.kind)
		below[0].note = "type " + v.name
		sections = append(sections, below...)
	}
	for _, o := range optionsOf(t) {
		child, suffix := o.kind, ""
		if child.Kind() == reflect.Slice {
			child, suffix = child.Elem(), "[]"
		}
		if child.Kind() == reflect.Pointer {
			child = child.Elem()
		}
		if child.Kind() == reflect.Struct && !isValue(child) {
			sections = append(sections, sectionsOf(join(path, o.name)+suffix, child)...)
		}
	}
	return sections
}

// isValue reports whether the struct is written as a single value.
func isValue(t reflect.Type) bool {
	return t == secretType || t == reflect.TypeFor[config.Moment]()
}

func join(path, name string) string { return strings.TrimPrefix(path+"."+name, ".") }
