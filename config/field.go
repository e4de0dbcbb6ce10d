package config

import (
	"reflect"
	"strconv"
	"strings"
)

// field is what the tags of a struct field say about it. See the package documentation for the tags.
type field struct {
	index    []int
	name     string
	kind     reflect.Type
	required bool
	fallback string
	enum     []string
	min, max *int64
}

var secretType = reflect.TypeFor[SecretRef]()

// fieldsOf lists the fields of a struct that the file can hold, with those of its chosen variant behind them.
func fieldsOf(t reflect.Type, variant string) []field {
	var fields []field
	for sf := range t.Fields() {
		if v := sf.Tag.Get("variant"); v != "" && v == variant {
			for _, f := range fieldsOf(sf.Type.Elem(), "") {
				f.index = append(append([]int{}, sf.Index...), f.index...)
				fields = append(fields, f)
			}
		}
		name := sf.Tag.Get("yaml")
		if name == "" || name == "-" {
			continue
		}
		fields = append(fields, newField(sf, name))
	}
	return fields
}

func newField(sf reflect.StructField, name string) field {
	f := field{
		index: sf.Index, name: name, kind: sf.Type,
		required: sf.Tag.Get("required") == "true",
		fallback: sf.Tag.Get("default"),
		min:      bound(sf.Tag.Get("min")), max: bound(sf.Tag.Get("max")),
	}
	if enum := sf.Tag.Get("enum"); enum != "" {
		f.enum = strings.Split(enum, ",")
	}
	return f
}

func bound(tag string) *int64 {
	n, err := strconv.ParseInt(tag, 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

// keys are the names under which the field can stand in the file: three for a secret.
func (f field) keys() []string {
	if f.kind == secretType {
		return []string{f.name, f.name + "_file", f.name + "_env"}
	}
	return []string{f.name}
}

func keysOf(fields []field) []string {
	var keys []string
	for _, f := range fields {
		keys = append(keys, f.keys()...)
	}
	return keys
}

// variantsOf lists the values of the field "type" that the struct has options for; none if it has no variants.
func variantsOf(t reflect.Type) []string {
	var variants []string
	for sf := range t.Fields() {
		if v := sf.Tag.Get("variant"); v != "" {
			variants = append(variants, v)
		}
	}
	return variants
}

// selectVariant allocates the options of the variant.
func selectVariant(v reflect.Value, variant string) {
	for sf := range v.Type().Fields() {
		if variant != "" && sf.Tag.Get("variant") == variant {
			v.FieldByIndex(sf.Index).Set(reflect.New(sf.Type.Elem()))
		}
	}
}
