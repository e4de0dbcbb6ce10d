package file

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/sinks/mark"
)

// ledger is the content of the file that describes a delivered file: what it may hold, if it is ours.
type ledger struct {
	About string `json:"about"`
	// Entries are one, or two while a delivery is under way: the present content and the coming one.
	Entries []entry `json:"entries"`
}

// entry describes one content.
type entry struct {
	mark.Mark
	span
	// Salt is random, so that equal contents in different places do not look alike; Digest is HMAC-SHA256 of the content with it.
	Salt   string `json:"salt"`
	Digest string `json:"digest"`
}

func describe(d rotator.Delivery, content []byte) entry {
	salt := rand.Text()
	secret := d.Secret.Reveal()
	return entry{
		Mark: mark.Of(d), span: span{bytes.Index(content, secret), len(secret)}, Salt: salt, Digest: digest(salt, content),
	}
}

func digest(salt string, content []byte) string {
	h := hmac.New(sha256.New, []byte(salt))
	h.Write(content)
	return hex.EncodeToString(h.Sum(nil))
}

func (e entry) fits(content []byte) bool {
	return hmac.Equal([]byte(e.Digest), []byte(digest(e.Salt, content)))
}

// find returns the entry that describes the content, the later one if both do.
func (l ledger) find(content []byte) *entry {
	for i := len(l.Entries) - 1; i >= 0; i-- {
		if l.Entries[i].fits(content) {
			return &l.Entries[i]
		}
	}
	return nil
}

// newest returns the entry with the highest version.
func (l ledger) newest() *entry {
	var newest *entry
	for i := range l.Entries {
		if newest == nil || l.Entries[i].Version > newest.Version {
			newest = &l.Entries[i]
		}
	}
	return newest
}

func (l ledger) encode(name string) ([]byte, error) {
	l.About = fmt.Sprintf("rotatord wrote %s and keeps here what it wrote; it holds no secret", name)
	out, err := json.MarshalIndent(l, "", "  ")
	return append(out, '\n'), err
}

// decodeLedger treats what it cannot read as no ledger: the file beside it is then nobody's we know.
func decodeLedger(text []byte) ledger {
	var l ledger
	if json.Unmarshal(text, &l) != nil {
		return ledger{}
	}
	return l
}
