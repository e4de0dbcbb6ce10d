package pathtemplate

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
)

// builtin are the functions of text/template that may be used. Left out are call, for which there is nothing to call, and
// html, js and urlquery: each makes its input longer, so that a chain of them grows without bound.
var builtin = []string{"and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len", "index", "slice", "print", "println"}

// Permits reports whether a template may use the function of that name.
func Permits(function string) bool {
	_, own := Functions()[function]
	return own || function == checkName || slices.Contains(builtin, function)
}

// maxMade bounds what one function makes, in bytes, since functions may be chained.
const maxMade = 64 << 10

var errMade = fmt.Errorf("a function makes more than %d bytes", maxMade)

// replace is strings.ReplaceAll, bounded.
func replace(old, with, value string) (string, error) {
	if len(value)+strings.Count(value, old)*max(0, len(with)-len(old)) > maxMade {
		return "", errMade
	}
	return strings.ReplaceAll(value, old, with), nil
}

// wide finds what makes fmt write more than it was given: a width of a thousand and more, one that is an argument, and an
// argument that is used again.
var wide = regexp.MustCompile(`%[^a-zA-Z%]*([0-9]{4}|[*\[])`)

func printf(format string, args ...any) (string, error) {
	if wide.MatchString(format) {
		return "", errors.New("printf takes no width of a thousand or more, no * and no [")
	}
	made := fmt.Sprintf(format, args...)
	if len(made) > maxMade {
		return "", errMade
	}
	return made, nil
}

// OfTime are the methods of a field that is a time, as [Restrict] wants them: {{.Expires.Format "2006-01-02"}}.
func OfTime(field string) []string {
	return []string{field, field + ".Format", field + ".IsZero", field + ".Unix"}
}

// Restrict says what a template holds that is more than text, these fields, the functions that [Permits] permits, and if; or nil.
// Without loops, variables and other templates, it ends after as many steps as it has letters.
func Restrict(t *template.Template, fields []string) error {
	if t.Tree == nil || parse.IsEmptyTree(t.Root) {
		return errors.New("holds nothing but definitions")
	}
	return restrict(t.Root, fields, func(*parse.ActionNode) {})
}

// Execute renders a template into at most limit bytes; beyond them it is an error.
func Execute(w io.Writer, t *template.Template, data any, limit int) error {
	return t.Execute(&bounded{w, limit}, data)
}

type bounded struct {
	w    io.Writer
	left int
}

// Write implements [io.Writer].
func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errors.New("the template makes more text than is taken here")
	}
	return b.w.Write(p)
}

// restrict refuses what a template has no use for, and shows each action that it met.
func restrict(list *parse.ListNode, fields []string, met func(*parse.ActionNode)) error {
	if list == nil {
		return nil
	}
	for _, node := range list.Nodes {
		if err := restrictNode(node, fields, met); err != nil {
			return err
		}
	}
	return nil
}

func restrictNode(node parse.Node, fields []string, met func(*parse.ActionNode)) error {
	switch n := node.(type) {
	case *parse.TextNode, *parse.CommentNode:
		return nil
	case *parse.ActionNode:
		if err := known(n.Pipe, fields); err != nil {
			return err
		}
		met(n)
		return nil
	case *parse.IfNode:
		if err := known(n.Pipe, fields); err != nil {
			return err
		}
		if err := restrict(n.List, fields, met); err != nil {
			return err
		}
		return restrict(n.ElseList, fields, met)
	default:
		return fmt.Errorf("%s is not understood here: only text, fields, functions and if are", node)
	}
}

// check makes an action end in the check of its value.
func check(n *parse.ActionNode) {
	n.Pipe.Cmds = append(n.Pipe.Cmds, &parse.CommandNode{
		NodeType: parse.NodeCommand,
		Args:     []parse.Node{parse.NewIdentifier(checkName).SetTree(nil).SetPos(n.Pos)},
	})
}

// known refuses fields that do not exist. Execution would find them too, but only in the branch that is taken.
func known(pipe *parse.PipeNode, fields []string) error {
	if len(pipe.Decl) > 0 {
		return fmt.Errorf("%s declares a variable: only text, fields, functions and if are understood here", pipe)
	}
	for i, command := range pipe.Cmds {
		for _, arg := range command.Args {
			if err := knownArg(arg, fields); err != nil {
				return err
			}
		}
		if !PermitsMethod(command, i) {
			return fmt.Errorf("%s: a method takes nothing but text here", command)
		}
	}
	return nil
}

// PermitsMethod reports whether a command, the nth of its pipeline, calls no method, or one that takes nothing but text as it
// stands. A layout that is made by another layout could grow with each.
func PermitsMethod(command *parse.CommandNode, nth int) bool {
	for i, arg := range command.Args {
		field, ok := arg.(*parse.FieldNode)
		if !ok || len(field.Ident) == 1 {
			continue
		}
		literal := !slices.ContainsFunc(command.Args[1:], func(n parse.Node) bool { return n.Type() != parse.NodeString })
		if i > 0 && field.Ident[1] == "Format" || i == 0 && (nth > 0 || !literal) {
			return false
		}
	}
	return true
}

func knownArg(arg parse.Node, fields []string) error {
	switch a := arg.(type) {
	case *parse.PipeNode:
		return known(a, fields)
	case *parse.FieldNode:
		if slices.Contains(fields, strings.Join(a.Ident, ".")) {
			return nil
		}
		return fmt.Errorf("there is no field %s; there are .%s", a, strings.Join(fields, ", ."))
	case *parse.IdentifierNode:
		if Permits(a.Ident) {
			return nil
		}
		return fmt.Errorf("the function %s is not permitted here", a)
	case *parse.StringNode, *parse.NumberNode, *parse.BoolNode:
		return nil
	default:
		return fmt.Errorf("%s is not understood here: only text, fields, functions and if are", arg)
	}
}
