package notify

import "github.com/rotatord/rotatord/rotator"

var headlines = map[rotator.NoticeKind]string{
	rotator.NoticeFirstKey:        "the first key is ready",
	rotator.NoticeReplaced:        "the key was replaced",
	rotator.NoticeRevoked:         "the old key was revoked",
	rotator.NoticeExtended:        "the key is valid for longer",
	rotator.NoticeAbandoned:       "the key was not replaced",
	rotator.NoticeAwaitingSupply:  "please make a new key",
	rotator.NoticeAwaitingRemoval: "please remove the old key",
	rotator.NoticeOldKeyInUse:     "the old key is still in use",
	rotator.NoticeHookFailing:     "a program could not be told of the new key",
	rotator.NoticeResolved:        "nothing has to be done any more",
}

// Headline says in a few words what a notice tells, without naming the key.
func Headline(n rotator.Notice) string {
	text := headlines[n.Kind]
	if n.Kind == rotator.NoticeReplaced && n.GraceUntil.After(n.At) {
		text += ", the old one works until " + n.GraceUntil.UTC().Format("2 January 2006")
	}
	if n.Reminder > 0 {
		text = "reminder: " + text
	}
	return text
}
