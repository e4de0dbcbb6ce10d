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
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			replaced := last[j]
			if a[i] != b[j] {
				replaced++
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, replaced)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
