package sheet

import (
	"strings"
	"testing"
)

func TestCell(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "ci-build": "ci-build", "a=1": "a=1", "'=1": "'=1", "é": "é",
		"=1+1": "'=1+1", "+41 44": "'+41 44", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t=1", "\r=1": "'\r=1", "\n=1": "'\n=1",
	} {
		if got := Cell(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func FuzzCell(f *testing.F) {
	f.Add("=1")
	f.Fuzz(func(t *testing.T, text string) {
		got := Cell(text)
		if got != text && got != "'"+text || got != "" && strings.ContainsRune("=+-@\t\r\n", rune(got[0])) {
			t.Errorf("%q became %q", text, got)
		}
	})
}
