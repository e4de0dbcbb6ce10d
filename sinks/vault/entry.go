package vault

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/sinks/mark"
)

// The fields of an entry beside the secret's.
const (
	fieldKeyID   = "key_id"
	fieldKeyName = "key_name"
	fieldVersion = "version"
	fieldExpires = "expires"
	fieldMark    = "rotatord"
)

var ownFields = []string{fieldKeyID, fieldKeyName, fieldVersion, fieldExpires, fieldMark}

// The keys of an entry's custom metadata.
const (
	metaManagedBy   = "managed-by"
	metaVersion     = "rotatord-version"
	metaRotation    = "rotatord-rotation"
	metaFingerprint = "rotatord-fingerprint"
	metaKeyID       = "rotatord-key-id"
)

const managedBy = "rotatord"

// maxMetaValue is the longest value that Vault takes in custom metadata, in bytes
// (https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#create-update-metadata).
const maxMetaValue = 512

// entry is what an engine holds at a path.
type entry struct {
	// present is false when nothing can be read there: never written, deleted or destroyed.
	present bool
	data    map[string]any
	// kv numbers the newest write, readable or not; 0 for none, and in version 1 of the engine.
	kv int
	// written is when that was, in the server's words; empty where it does not say.
	written string
	// custom is the custom metadata.
	custom map[string]string
}

// stamp is the mark inside an entry.
type stamp struct {
	mark.Mark
	// Path is the entry's, below the mount. It tells a mark that was copied here with its entry.
	Path string `json:"path"`
	// KV is the number that the engine gave to the write.
	KV       int    `json:"kv_version,omitempty"`
	Checksum string `json:"checksum"`
}

// sum is over all that a foreign hand could change, and the secret. The secret stands beside it, so it gives nothing away.
func (s stamp) sum(secret []byte) string {
	s.Checksum = ""
	text, _ := json.Marshal(s) // strings and numbers can be encoded
	h := sha256.New()
	h.Write(text)
	h.Write([]byte{0}) // JSON holds none, so this ends it
	h.Write(secret)
	return hex.EncodeToString(h.Sum(nil))
}

// compose makes the data of the write that follows now and will be given the number kv.
func (s *Sink) compose(now entry, d rotator.Delivery, kv int) map[string]any {
	data := maps.Clone(now.data)
	if data == nil {
		data = map[string]any{}
	}
	st := stamp{Mark: mark.Of(d), Path: s.below(d.Location), KV: kv}
	st.Checksum = st.sum(d.Secret.Reveal())
	line, _ := json.Marshal(st) // as above
	data[s.options.Field] = string(d.Secret.Reveal())
	data[fieldKeyID], data[fieldKeyName] = d.KeyID, d.KeyName
	data[fieldVersion] = strconv.Itoa(d.Version)
	data[fieldMark] = string(line)
	delete(data, fieldExpires)
	if !d.Expires.IsZero() {
		data[fieldExpires] = d.Expires.UTC().Format(time.RFC3339)
	}
	return data
}

// examine says what an entry is to us.
func (s *Sink) examine(e engine, now entry, location string) mark.Found {
	path := s.below(location)
	f := mark.Found{Present: now.present, Where: e.where(location, now), Remove: e.remove(path)}
	if !now.present {
		f.Mark = markOfMetadata(now.custom)
		return f
	}
	secret, isText := now.data[s.options.Field].(string)
	f.Secret = rotator.SecretString(secret)
	line, _ := now.data[fieldMark].(string)
	var st stamp
	if json.Unmarshal([]byte(line), &st) == nil && st.Path == path {
		f.Mark = &st.Mark
	}
	f.Foreign = s.strange(now, f.Mark, st, isText)
	return f
}

// strange says why an entry is not what we wrote, or nothing.
func (s *Sink) strange(now entry, m *mark.Mark, st stamp, isText bool) string {
	when := ""
	if now.written != "" {
		when = ", written at " + now.written
	}
	switch {
	case m == nil:
		return "it has no mark of rotatord for this place" + when
	case st.KV != now.kv:
		return fmt.Sprintf("KV version %d%s, came after rotation %s had left version %d (key %s) as KV version %d",
			now.kv, when, st.Rotation, st.Version, st.KeyID, st.KV)
	case !isText:
		return fmt.Sprintf("its field %s is missing or no text%s", s.options.Field, when)
	}
	secret, _ := now.data[s.options.Field].(string)
	if st.Checksum != st.sum([]byte(secret)) {
		return fmt.Sprintf("its field %s or its mark is not what rotation %s left there as version %d (key %s)%s",
			s.options.Field, st.Rotation, st.Version, st.KeyID, when)
	}
	return ""
}

// metadataOf is the custom metadata that a delivery leaves. Vault refuses empty values.
func metadataOf(d rotator.Delivery) map[string]string {
	all := map[string]string{
		metaManagedBy: managedBy, metaVersion: strconv.Itoa(d.Version), metaRotation: d.Rotation,
		metaFingerprint: d.Fingerprint, metaKeyID: d.KeyID,
	}
	for key, value := range all {
		if all[key] = printable(value); all[key] == "" {
			delete(all, key)
		}
	}
	return all
}

func printable(value string) string {
	value = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return r
		}
		return -1
	}, value)
	if len(value) > maxMetaValue {
		value = strings.ToValidUTF8(value[:maxMetaValue], "")
	}
	return value
}

// withMetadata adds ours to what is there, and reports whether that changes anything.
func withMetadata(now, ours map[string]string) (all map[string]string, changed bool) {
	all = maps.Clone(now)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, ours)
	return all, !maps.Equal(all, now)
}

func markOfMetadata(custom map[string]string) *mark.Mark {
	version, err := strconv.Atoi(custom[metaVersion])
	if err != nil || custom[metaManagedBy] != managedBy {
		return nil
	}
	return &mark.Mark{Version: version, Rotation: custom[metaRotation], Fingerprint: custom[metaFingerprint], KeyID: custom[metaKeyID]}
}
