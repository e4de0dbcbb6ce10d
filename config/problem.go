package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing about a configuration file that is wrong, or, in [Config.Warnings], probably not meant.
type Problem struct {
	// File is the name that was given to Load or Parse.
	File string `json:"file"`
	// Line and Column count from 1. They point at the value, or at what should have held it.
	Line   int `json:"line"`
	Column int `json:"column"`
	// Path names the field, like policies[0].grace; empty for the file as a whole.
	Path string `json:"path,omitempty"`
	// Message says what is wrong. It never holds a secret.
	Message string `json:"message"`
	// Suggestion says what to write instead; it may be empty.
	Suggestion string `json:"suggestion,omitempty"`
}

// String reads "file:line:column: path: what (what to write instead)".
func (p Problem) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Line, p.Column)
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	if p.Suggestion != "" {
		b.WriteString(" (" + p.Suggestion + ")")
	}
	return b.String()
}

// Problems are all that was found, in the order of the file. As an error it is never empty.
type Problems []Problem

// Error prints one problem a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// sorted puts p in the order of the file and leaves what was found first at one place first.
func (p Problems) sorted() Problems {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return p
}

// hint is an error with what to write instead; the types of this package return it from UnmarshalText.
type hint struct{ what, instead string }

func (h *hint) Error() string {
	if h.instead == "" {
		return h.what
	}
	return h.what + " (" + h.instead + ")"
}
