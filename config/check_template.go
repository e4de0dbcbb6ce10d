package config

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"time"

	"github.com/rotatord/rotatord/sinks/pathtemplate"
)

// location checks the path of a credential with the parser that the sinks render it with.
func (c *checker) location(path, text string) {
	if !c.good(path) {
		return
	}
	_, err := pathtemplate.Parse(text)
	if err == nil {
		return
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner // what is around it repeats the template
	}
	what, instead, split := strings.Cut(err.Error(), "; ")
	if !split {
		instead = "write fields as in {{.Provider}}/{{.ServiceUser}}"
	}
	if strings.HasPrefix(what, "template: ") {
		what = "is not a template: " + templateMessage(err)
	}
	c.errorf(path, instead, "%s", what)
}

// sample is what a template is tried with: the fields it may use, each with a value of its kind.
type sample map[string]any

// fileSample is what the text of a file can be made of, as the sink for files has it.
var fileSample = sample{
	"Provider": "x", "UserID": "x", "ServiceUser": "x", "Credential": "x",
	"Version": 1, "KeyID": "x", "KeyName": "x", "Rotation": "x", "Fingerprint": "x", "Secret": "the sample of a secret",
	"Expires": time.Time{},
}

// maxTemplate bounds what a template may make of the sample, in bytes.
const maxTemplate = 1 << 20

const writeFields = "write fields as in {{.Secret}}"

// template checks that the text can be rendered from the fields. Only text, fields, functions and if are understood: a
// loop without an end would stop the daemon.
func (c *checker) template(path, text string, fields sample) {
	if !c.good(path) {
		return
	}
	if strings.TrimSpace(text) == "" {
		c.errorf(path, "", "is empty")
		return
	}
	parsed, err := template.New("").Funcs(pathtemplate.Functions()).Option("missingkey=error").Parse(text)
	if err != nil || parsed.Tree == nil {
		c.errorf(path, writeFields, "is not a template: %s", templateMessage(err))
		return
	}
	if what, instead := refusedNode(parsed.Root, fields); what != "" {
		c.errorf(path, instead, "%s", what)
		return
	}
	var out strings.Builder
	if err := pathtemplate.Execute(&out, parsed, fields, maxTemplate); err != nil {
		c.errorf(path, writeFields, "cannot be rendered: %s", templateMessage(err))
		return
	}
	if secret, _ := fields["Secret"].(string); !strings.Contains(out.String(), secret) {
		c.errorf(path, "write {{.Secret}} without a function", "does not hold the secret unchanged, so it could not be read back")
	}
}

// templatePlace is where the template library says an error is, which counts from the start of the text.
var templatePlace = regexp.MustCompile(`^template: [^:]*:[0-9]+(:[0-9]+)?: (executing "[^"]*" at )?`)

// templateMessage returns what is wrong, without the place.
func templateMessage(err error) string {
	if err == nil {
		return "it holds only definitions"
	}
	return templatePlace.ReplaceAllString(err.Error(), "")
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
		if value, known := fields[n.Ident[0]]; known {
			return refusedMethod(n, value)
		}
		return fmt.Sprintf("there is no field %s", n), oneOfFields(n.Ident[0], fields)
	case *parse.IdentifierNode:
		if pathtemplate.Permits(n.Ident) {
			return "", ""
		}
		return fmt.Sprintf("uses the function %s, which is not permitted", n), writeFields
	case *parse.TextNode, *parse.CommentNode, *parse.StringNode, *parse.NumberNode, *parse.BoolNode:
		return "", ""
	default:
		return "holds more than text, fields, functions and if", writeFields
	}
}

// refusedMethod lets times be formatted and nothing else be called.
func refusedMethod(n *parse.FieldNode, value any) (what, instead string) {
	_, timed := value.(time.Time)
	if len(n.Ident) == 1 || timed && slices.Contains(pathtemplate.OfTime(n.Ident[0]), strings.Join(n.Ident, ".")) {
		return "", ""
	}
	return fmt.Sprintf("there is nothing behind the field in %s", n), writeFields
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
		return "declares a variable", writeFields
	}
	for i, command := range pipe.Cmds {
		if !pathtemplate.PermitsMethod(command, i) {
			return "calls a method with more than text", writeFields
		}
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
