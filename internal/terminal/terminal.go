// Package terminal keeps what others wrote from doing anything to a terminal but show.
package terminal

import (
	"strings"
	"unicode"
)

// Text makes text that came from elsewhere, a provider's names among it, fit for a terminal: what could move the cursor,
// colour, clear or turn the direction of writing is replaced, but for the characters in spared.
func Text(text, spared string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || strings.ContainsRune(spared, r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
