package rotator

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// CredentialID names what consumers know: a series of keys of one service user under one base name.
type CredentialID struct {
	Provider string `json:"provider"`
	UserID   string `json:"user_id"`
	Base     string `json:"credential"`
}

// String reads provider/user/base.
func (c CredentialID) String() string { return c.Provider + "/" + c.UserID + "/" + c.Base }

// versionMark stands between a base name and a version: letters, a dash and digits are in every provider's alphabet.
const versionMark = "-r"

// minVersionDigits keeps names sortable and makes it unlikely that a person's own name looks like one of ours. More than
// maxVersionDigits are no version, but a date or a number that somebody put into a name.
const (
	minVersionDigits = 4
	maxVersionDigits = 9
)

// KeyName is the name under which version v of the credential is minted: "ci" becomes "ci-r0002".
func KeyName(base string, v int) string {
	return fmt.Sprintf("%s%s%0*d", base, versionMark, minVersionDigits, v)
}

// SplitName undoes [KeyName]: the base name and the version of a key. A name that nobody made with KeyName is its own
// base, at version 0.
func SplitName(name string) (base string, version int) {
	i := strings.LastIndex(name, versionMark)
	if i <= 0 {
		return name, 0
	}
	digits := name[i+len(versionMark):]
	if len(digits) < minVersionDigits || len(digits) > maxVersionDigits || strings.Trim(digits, "0123456789") != "" {
		return name, 0
	}
	v, err := strconv.Atoi(digits)
	if err != nil || v == 0 || KeyName(name[:i], v) != name {
		return name, 0
	}
	return name[:i], v
}

// CheckVersion says why the version could not be read back from the name of a key, or nil.
func CheckVersion(base string, v int) error {
	name := KeyName(base, v)
	if b, version := SplitName(name); b != base || version != v {
		return fmt.Errorf("the version in the key name %q is beyond what rotatord counts to; somebody else made a key with so high a "+
			"number: rename it or delete it", name)
	}
	return nil
}

// CheckName says why a provider would not take the name, or nil.
func CheckName(name string, l Limits) error {
	if l.MaxNameLength > 0 && len(name) > l.MaxNameLength {
		return fmt.Errorf("the key name %q has %d characters and the provider takes %d; give the credential a shorter base name",
			name, len(name), l.MaxNameLength)
	}
	for _, r := range name {
		if l.ValidNameRune != nil && !l.ValidNameRune(r) {
			return fmt.Errorf("the key name %q holds %q, which the provider does not take; give the credential another base name", name, r)
		}
	}
	return nil
}

// TrackedKey is a key as the inventory knows it: what the provider said, and what the policies made of it.
type TrackedKey struct {
	Provider string
	Key
	// Base and Version come from the name.
	Base    string
	Version int
	// Policy is the name of the policy that selects it; empty for an unmanaged key.
	Policy string
	// Deadline is when the key must be gone; zero when it has no deadline.
	Deadline time.Time
	// Due is when its rotation starts; zero for unmanaged keys and those without a deadline.
	Due time.Time
	// LookAt is when the key is decided upon next; zero for never (nothing about it can become due by itself).
	LookAt time.Time
	// Draw is the key's own draw from [0, 1), made once, from which its jitter comes.
	Draw float64
	// Waiting says why a due key is not being rotated; empty when nothing stops it.
	Waiting BlockReason
	// WaitingWhy says so in words.
	WaitingWhy string
	// WaitingSince is when that began; kept while the reason stays the same.
	WaitingSince time.Time
	// MissingSince is when a complete scan first did not show the key; zero while it is seen.
	MissingSince time.Time
}

// Credential returns the series that the key belongs to.
func (k TrackedKey) Credential() CredentialID {
	return CredentialID{Provider: k.Provider, UserID: k.UserID, Base: k.Base}
}

// Newer reports whether k supersedes other within a series: the higher version, then the later creation, then the
// greater id, so that the order is total.
func (k TrackedKey) Newer(other TrackedKey) bool {
	if k.Version != other.Version {
		return k.Version > other.Version
	}
	if !k.Created.Equal(other.Created) {
		return k.Created.After(other.Created)
	}
	return k.ID > other.ID
}

// Hold is an operator's "do not touch until".
type Hold struct {
	CredentialID
	By     string    `json:"by"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}
