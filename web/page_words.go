package web

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rotatord/rotatord/rotator"
)

// sentence makes words begin like one.
func sentence(words string) string {
	first, n := utf8.DecodeRuneInString(words)
	if n == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + words[n:]
}

// because says why a rotation was planned, to go behind "because".
func because(reason string) string {
	switch rotator.Reason(reason) {
	case rotator.ReasonExpiring:
		return "the key expires"
	case rotator.ReasonMaxAge:
		return "the key nears its maximal age"
	case rotator.ReasonManual:
		return "somebody asked for it"
	case rotator.ReasonCompromised:
		return "the secret leaked"
	case rotator.ReasonMissing:
		return "there was no key"
	default:
		return "of " + reason
	}
}

// adviceOn is what to do about a reason, with the names of what it is about in the commands, so that they can be taken as they
// stand. A provider as a whole has no user and no credential.
func adviceOn(reason string, about CredentialName) string {
	words := advice[reason]
	if about.Credential != "" {
		words = strings.ReplaceAll(words, "PROVIDER/USER/CREDENTIAL", quoted(about.String()))
	}
	return strings.ReplaceAll(words, " PROVIDER", " "+quoted(about.Provider))
}

// quoted is a name as a shell reads it back.
func quoted(name string) string {
	plain := func(r rune) bool {
		return r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_./@:+", r))
	}
	if name != "" && strings.IndexFunc(name, func(r rune) bool { return !plain(r) }) < 0 {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

// step is what to do, as words and the command at their end; either may be empty.
type step struct{ Words, Command string }

// stepOf takes the command that words about what to do end with apart from them.
func stepOf(words string) step {
	at := strings.LastIndex(words, "rotatord ")
	if at < 0 {
		return step{Words: words}
	}
	return step{Words: strings.TrimSpace(words[:at]), Command: words[at:]}
}
