package emulator

import (
	"strings"
)

// d1Object is a JSON object of a request or an answer.
type d1Object map[string]any

// d1Kind is what an object describes, and what begins the names of its fields in [DigiCertOneOptions.Fields].
type d1Kind string

const (
	d1KindUser  d1Kind = "user"
	d1KindToken d1Kind = "token"
)

// d1Moved is a field on its way from one name to another one.
type d1Moved struct {
	to    string
	value any
}

// rename gives the fields of an answer the names that the options ask for.
func (o DigiCertOneOptions) rename(kind d1Kind, object d1Object) d1Object {
	o.move(kind, object, false)
	return object
}

// restore gives the fields of a request their default names, and drops what came under a default name that is not in use.
func (o DigiCertOneOptions) restore(kind d1Kind, object d1Object) { o.move(kind, object, true) }

// move takes all fields out before it puts one in, so that names may be exchanged.
func (o DigiCertOneOptions) move(kind d1Kind, object d1Object, back bool) {
	var all []d1Moved
	for name, other := range o.Fields {
		from, ours := strings.CutPrefix(name, string(kind)+".")
		to := other
		if back {
			from, to = to, from
		}
		if !ours {
			continue
		}
		if value, ok := object.take(from); ok {
			all = append(all, d1Moved{to, value})
		}
	}
	if back {
		for name := range o.Fields {
			if unused, ours := strings.CutPrefix(name, string(kind)+"."); ours {
				object.take(unused)
			}
		}
	}
	for _, m := range all {
		object.put(m.to, m.value)
	}
}

// take removes the field at a path of names with dots between them.
func (o d1Object) take(path string) (any, bool) {
	name, below, deeper := strings.Cut(path, ".")
	value, ok := o[name]
	if !ok {
		return nil, false
	}
	if deeper {
		inner, ok := asObject(value)
		if !ok {
			return nil, false
		}
		return inner.take(below)
	}
	delete(o, name)
	return value, true
}

// put sets the field at a path, and makes the objects on the way to it.
func (o d1Object) put(path string, value any) {
	name, below, deeper := strings.Cut(path, ".")
	if !deeper {
		o[name] = value
		return
	}
	inner, ok := asObject(o[name])
	if !ok {
		inner = d1Object{}
		o[name] = inner
	}
	inner.put(below, value)
}

// asObject recognises objects that were made here and those that encoding/json made.
func asObject(value any) (d1Object, bool) {
	switch v := value.(type) {
	case d1Object:
		return v, true
	case map[string]any:
		return v, true
	default:
		return nil, false
	}
}

// word is a status word as the options want it.
func (o DigiCertOneOptions) word(status string) string {
	if other, ok := o.Words[status]; ok {
		return other
	}
	return status
}

// text reads an optional string: "" if it is left out or null.
func (o d1Object) text(name string) (string, *d1Error) {
	switch v := o[name].(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	default:
		return "", d1BadRequest("%s must be a string.", name)
	}
}

// required reads a string that must not be empty.
func (o d1Object) required(name string) (string, *d1Error) {
	text, refusal := o.text(name)
	if refusal == nil && text == "" {
		refusal = d1BadRequest("%s is required.", name)
	}
	return text, refusal
}

// ids reads a list of ids, which must not be empty and of which find must know every one. An element may be an object with
// an id, as answers show them.
func (o d1Object) ids(name string, find func(id string) int) ([]int, *d1Error) {
	list, _ := o[name].([]any)
	if len(list) == 0 {
		return nil, d1BadRequest("%s must name at least one.", name)
	}
	ids := make([]int, 0, len(list))
	for _, element := range list {
		if inner, ok := asObject(element); ok {
			element = inner["id"]
		}
		text, _ := element.(string)
		id := find(text)
		if id == 0 {
			return nil, d1BadRequest("%s has an element that does not exist.", name)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
