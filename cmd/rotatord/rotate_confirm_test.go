package main

import (
	"io"
	"strings"
	"testing"
)

func TestOnlyTheNumberConfirms(t *testing.T) {
	for _, tt := range []struct {
		name, typed string
		fine        bool
	}{
		{"the number", "12\n", true},
		{"the number with blanks", "  12 \n", true},
		{"another number", "2\n", false},
		{"yes", "yes\n", false},
		{"nothing", "\n", false},
		{"the end before the line's end", "12", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := typedCount(strings.NewReader(tt.typed), io.Discard, 12); (err == nil) != tt.fine {
				t.Errorf("%v", err)
			}
		})
	}
}
