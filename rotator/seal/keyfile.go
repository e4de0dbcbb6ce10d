package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxKeyFile bounds what is read: a few lines of 64 hex digits are the longest that make sense.
const maxKeyFile = 1024

// minDistinct is how many different bytes a key must have. 32 random bytes have about 30; that they have fewer than 16
// is less likely than a guess of an 80-bit key.
const minDistinct = 16

const howTo = "make one with: rotatord seal init"

// NewKey returns a fresh seal key in base64, as [ReadKeyFile] takes it.
func NewKey() string {
	key := make([]byte, KeySize)
	rand.Read(key)
	return base64.StdEncoding.EncodeToString(key)
}

// ReadKeyFile reads seal keys, one a line, newest first: 32 bytes as base64 (either alphabet) or as hex. A file with one key
// may also hold its 32 bytes as they are. It refuses a file that every user of the machine can read, and a key that somebody
// typed rather than drew at random.
func ReadKeyFile(path string) (*Sealer, error) {
	content, err := readPrivate(path)
	if err != nil {
		return nil, err
	}
	defer clear(content)
	s, err := ParseKey(content)
	if err != nil {
		return nil, fmt.Errorf("seal key file %s: %w", path, err)
	}
	return s, nil
}

// ParseKey reads seal keys that are not in a file, in the form of [ReadKeyFile].
func ParseKey(content []byte) (*Sealer, error) {
	keys, err := parseKeys(content)
	if err != nil {
		return nil, fmt.Errorf("%w; %s", err, howTo)
	}
	defer func() {
		for _, k := range keys {
			clear(k)
		}
	}()
	return New(keys...)
}

func readPrivate(path string) (content []byte, err error) {
	f, err := os.Open(path) //nolint:gosec // the path is the operator's own, from the configuration
	if err != nil {
		return nil, fmt.Errorf("the seal key file cannot be opened: %w; %s", err, howTo)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("seal key file %s: %w", path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("seal key file %s is not a regular file; %s", path, howTo)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("seal key file %s has mode %04o: every user of this machine can reach it; run: chmod 0400 %s "+
			"(in Kubernetes set defaultMode: 0400 on the volume)", path, info.Mode().Perm(), path)
	}
	content, err = io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("seal key file %s: %w", path, err)
	}
	return content, nil
}

// parseKeys never puts what it read into an error: a mistyped key is close to a key.
func parseKeys(content []byte) ([][]byte, error) {
	if len(content) > maxKeyFile {
		return nil, fmt.Errorf("the file has more than %d bytes: this is not a seal key", maxKeyFile)
	}
	if len(content) == KeySize {
		key, err := parseKey(content)
		return [][]byte{key}, err
	}
	var keys [][]byte
	for line := range bytes.Lines(content) {
		text := bytes.TrimSpace(line)
		if len(text) == 0 {
			continue
		}
		key, err := parseKey(text)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("it is empty")
	}
	return keys, nil
}

func parseKey(content []byte) ([]byte, error) {
	key, ok := decodeText(string(content))
	if !ok && len(content) == KeySize {
		if printable(content) {
			return nil, fmt.Errorf("it holds %d printable characters: a password is too easy to guess for a seal key", KeySize)
		}
		key, ok = append([]byte(nil), content...), true
	}
	if !ok {
		return nil, fmt.Errorf("it does not hold %d bytes as base64, as hex or as they are (there are %d bytes)", KeySize, len(content))
	}
	if distinct(key) < minDistinct {
		clear(key)
		return nil, errors.New("the key repeats itself: it was not drawn at random")
	}
	return key, nil
}

func decodeText(text string) ([]byte, bool) {
	decoders := []func(string) ([]byte, error){
		hex.DecodeString,
		base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString,
		base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	}
	for _, decode := range decoders {
		if key, err := decode(text); err == nil && len(key) == KeySize {
			return key, true
		}
	}
	return nil, false
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

func distinct(b []byte) int {
	var seen [256]bool
	n := 0
	for _, c := range b {
		if !seen[c] {
			seen[c] = true
			n++
		}
	}
	return n
}
