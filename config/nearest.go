package config

import (
	"fmt"
	"strings"
)

// longest bounds the words that are compared: what people paste by mistake has no bound.
const longest = 64

// nearest returns the candidate that word is most likely a slip of: one edit for each three letters, at least one.
func nearest(word string, candidates []string) (string, bool) {
	if len(word) > longest {
		return "", false
	}
	best, distance := "", max(1, len(word)/3)+1
	for _, c := range candidates {
		if d := editDistance(word, c); d < distance {
			best, distance = c, d
		}
	}
	return best, best != ""
}

// oneOf suggests the nearest candidate, or lists them all.
func oneOf(word string, candidates []string) string {
	if near, ok := nearest(word, candidates); ok {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(candidates) == 0 {
		return ""
	}
	return "write one of: " + strings.Join(candidates, ", ")
}

// editDistance counts the insertions, deletions, replacements and swaps of neighbours between two words, in bytes: all
// words compared here are ASCII. Candidates are names, so they too are at most longest.
func editDistance(a, b string) int {
	if len(a) > longest || len(b) > longest {
		return longest
	}
	var rows [longest + 1][longest + 1]int
	for i := range len(a) + 1 {
		rows[i][0] = i
	}
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			differs := 1
			if a[i-1] == b[j-1] {
				differs = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+differs)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
