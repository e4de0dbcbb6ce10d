package terminal_test

import (
	"testing"

	"github.com/rotatord/rotatord/internal/terminal"
)

func TestText(t *testing.T) {
	for _, tt := range []struct{ name, text, spared, want string }{
		{"letters of all scripts", "Zoë 鍵 сервис", "", "Zoë 鍵 сервис"},
		{"an escape sequence", "a\x1b[2Jb", "", "a\ufffd[2Jb"},
		{"its eight-bit form", "y\x9b1m\u009b", "", "y\ufffd1m\ufffd"},
		{"the direction of writing", "gpj.\u202eexe", "", "gpj.\ufffdexe"},
		{"lines and cells", "a\tb\nc", "", "a\ufffdb\ufffdc"},
		{"what is spared", "a\tb\nc", "\t\n", "a\tb\nc"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := terminal.Text(tt.text, tt.spared); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
