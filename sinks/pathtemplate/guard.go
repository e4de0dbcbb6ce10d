package pathtemplate

import (
	"fmt"
	"slices"
	"strings"
	"text/template/parse"
)

// guard makes every action below list end in the check, and refuses what a path has no use for.
func guard(list *parse.ListNode) error {
	if list == nil {
		return nil
	}
	for _, node := range list.Nodes {
		if err := guardNode(node); err != nil {
			return err
		}
	}
	return nil
}

func guardNode(node parse.Node) error {
	switch n := node.(type) {
	case *parse.TextNode, *parse.CommentNode:
		return nil
	case *parse.ActionNode:
		if err := known(n.Pipe); err != nil {
			return err
		}
		n.Pipe.Cmds = append(n.Pipe.Cmds, &parse.CommandNode{
			NodeType: parse.NodeCommand,
			Args:     []parse.Node{parse.NewIdentifier(checkName).SetTree(nil).SetPos(n.Pos)},
		})
		return nil
	case *parse.IfNode:
		if err := known(n.Pipe); err != nil {
			return err
		}
		if err := guard(n.List); err != nil {
			return err
		}
		return guard(n.ElseList)
	default:
		return fmt.Errorf("%s is not understood here: only text, fields, functions and if are", node)
	}
}

// known refuses fields that do not exist. Execution would find them too, but only in the branch that is taken.
func known(pipe *parse.PipeNode) error {
	if len(pipe.Decl) > 0 {
		return fmt.Errorf("%s declares a variable: only text, fields, functions and if are understood here", pipe)
	}
	for _, command := range pipe.Cmds {
		for _, arg := range command.Args {
			if err := knownArg(arg); err != nil {
				return err
			}
		}
	}
	return nil
}

func knownArg(arg parse.Node) error {
	switch a := arg.(type) {
	case *parse.PipeNode:
		return known(a)
	case *parse.FieldNode:
		if len(a.Ident) == 1 && slices.Contains(fields, a.Ident[0]) {
			return nil
		}
		return fmt.Errorf("there is no field %s; there are .%s", a, strings.Join(fields, ", ."))
	case *parse.IdentifierNode, *parse.StringNode, *parse.NumberNode, *parse.BoolNode:
		return nil
	default:
		return fmt.Errorf("%s is not understood here: only text, fields, functions and if are", arg)
	}
}
