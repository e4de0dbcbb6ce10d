package main

import "strings"

// csvSafe keeps a spreadsheet from taking a cell for a formula: names come from elsewhere, and one that begins with such a
// sign would be run by whoever opens the file.
func csvSafe(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
