// Package sheet keeps files of comma-separated values from doing anything but hold text.
package sheet

import "strings"

// Cell returns text that no spreadsheet takes for a formula: what begins like one gets a quote in front. Names and e-mail
// addresses come from the providers, where others can write them, and a formula would be run by whoever opens the file.
func Cell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n", rune(text[0])) {
		return "'" + text
	}
	return text
}
