package config

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"time"
)

// sample is what a template is tried with: the fields it may use, each with a value of its kind.
type sample map[string]any

// locationSample are what a path can be made of: the fields of [rotator.Coordinates].
var locationSample = sample{"Provider": "x", "UserID": "x", "ServiceUser": "x", "Credential": "x"}

// fileSample are what the text of a file can be made of.
var fileSample = sample{
	"Provider": "x", "UserID": "x", "ServiceUser": "x", "Credential": "x",
	"Version": 1, "KeyID": "x", "KeyName": "x", "Rotation": "x", "Fingerprint": "x", "Secret": "x",
	"Expires": time.Time{},
}

// template checks that the text can be rendered from the fields. Only text, fields, functions and if are understood: a
// loop in the path of a file is a mistake, and one without an end would stop the daemon.
func (c *checker) template(path, text string, fields sample) {
	if !c.good(path) {
		return
	}
	if strings.TrimSpace(text) == "" {
		c.errorf(path, "", "is empty")
		return
	}
	parsed, err := template.New("").Option("missingkey=error").Parse(text)
	if err != nil || parsed.Tree == nil {
		c.errorf(path, "write fields as in {{.Provider}}/{{.ServiceUser}}", "is not a template: %s", templateMessage(err))
		return
	}
	if what, instead := refusedNode(parsed.Root, fields); what != "" {
		c.errorf(path, instead, "%s", what)
		return
	}
	if err := parsed.Execute(io.Discard, fields); err != nil {
		c.errorf(path, "write fields as in {{.Provider}}/{{.ServiceUser}}", "cannot be rendered: %s", templateMessage(err))
	}
}

// templateMessage leaves out the library's own place of the error, which counts from the start of the text.
func templateMessage(err error) string {
	if err == nil {
		return "it holds only definitions"
	}
	message := err.Error()
	if i := strings.LastIndex(message, ": "); i >= 0 {
		message = message[i+2:]
	}
	return message
}

// refusedNode looks for the first thing in the tree that cannot be rendered, and returns what it is and what to write.
func refusedNode(node parse.Node, fields sample) (what, instead string) {
	switch n := node.(type) {
	case *parse.ListNode:
		return firstRefused(n, fields)
	case *parse.ActionNode:
		return refusedPipe(n.Pipe, fields)
	case *parse.IfNode:
		if what, instead = refusedPipe(n.Pipe, fields); what != "" {
			return what, instead
		}
		if what, instead = firstRefused(n.List, fields); what != "" {
			return what, instead
		}
		return firstRefused(n.ElseList, fields)
	case *parse.PipeNode:
		return refusedPipe(n, fields)
	case *parse.FieldNode:
		if _, known := fields[n.Ident[0]]; known {
			return "", ""
		}
		return fmt.Sprintf("there is no field %s", n), oneOfFields(n.Ident[0], fields)
	case *parse.TextNode, *parse.CommentNode, *parse.StringNode, *parse.NumberNode, *parse.BoolNode, *parse.IdentifierNode:
		return "", ""
	default:
		return "holds more than text, fields, functions and if", "write fields as in {{.Provider}}/{{.ServiceUser}}"
	}
}

func firstRefused(list *parse.ListNode, fields sample) (what, instead string) {
	if list == nil {
		return "", ""
	}
	for _, n := range list.Nodes {
		if what, instead = refusedNode(n, fields); what != "" {
			return what, instead
		}
	}
	return "", ""
}

func refusedPipe(pipe *parse.PipeNode, fields sample) (what, instead string) {
	if len(pipe.Decl) > 0 {
		return "declares a variable", "write fields as in {{.Provider}}/{{.ServiceUser}}"
	}
	for _, command := range pipe.Cmds {
		for _, arg := range command.Args {
			if what, instead = refusedNode(arg, fields); what != "" {
				return what, instead
			}
		}
	}
	return "", ""
}

func oneOfFields(word string, fields sample) string {
	var dotted []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		dotted = append(dotted, "."+name)
	}
	return oneOf("."+word, dotted)
}
