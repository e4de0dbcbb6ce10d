package seal

import (
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func writeKeyFile(t *testing.T, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "seal.key")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadKeyFileTakesEveryForm(t *testing.T) {
	key := testKey(200)
	want := newSealer(t, 200).Check()
	forms := map[string]string{
		"base64":              base64.StdEncoding.EncodeToString(key),
		"base64 with newline": base64.StdEncoding.EncodeToString(key) + "\r\n",
		"base64 unpadded":     base64.RawStdEncoding.EncodeToString(key),
		"base64 for URLs":     base64.URLEncoding.EncodeToString(key),
		"hex":                 hex.EncodeToString(key) + "\n",
		"HEX":                 strings.ToUpper(hex.EncodeToString(key)),
		"raw":                 string(key),
	}
	for name, content := range forms {
		t.Run(name, func(t *testing.T) {
			s, err := ReadKeyFile(writeKeyFile(t, content, 0o400))
			if err != nil {
				t.Fatal(err)
			}
			if s.Check() != want {
				t.Fatal("another key was read")
			}
		})
	}
}

func TestReadKeyFileTakesARawKeyThatEndsInWhiteSpace(t *testing.T) {
	key := testKey(200)
	key[KeySize-1] = '\n'
	if _, err := ReadKeyFile(writeKeyFile(t, string(key), 0o400)); err != nil {
		t.Fatal(err)
	}
}

func TestReadKeyFileRefuses(t *testing.T) {
	good := base64.StdEncoding.EncodeToString(testKey(200))
	cases := map[string]struct {
		content string
		mode    os.FileMode
		says    string
	}{
		"empty":            {"", 0o400, "rotatord seal init"},
		"a short key":      {good[:20], 0o400, "rotatord seal init"},
		"a long file":      {strings.Repeat(good, 20), 0o400, "rotatord seal init"},
		"a password":       {"correct-horse-battery-staple-123", 0o400, "password"},
		"zeros":            {hex.EncodeToString(make([]byte, KeySize)), 0o400, "not drawn at random"},
		"two bytes":        {strings.Repeat("\x00\xff", KeySize/2), 0o400, "not drawn at random"},
		"readable by all":  {good, 0o404, "chmod 0400"},
		"writable by all":  {good, 0o402, "chmod 0400"},
		"a key twice":      {good + "\n" + good, 0o400, "twice"},
		"a key and a word": {good + "\nword", 0o400, "rotatord seal init"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			path := writeKeyFile(t, c.content, c.mode)
			_, err := ReadKeyFile(path)
			if err == nil {
				t.Fatal("it was taken")
			}
			if !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("the error does not name the file and say %q: %v", c.says, err)
			}
			if c.content != "" && strings.Contains(err.Error(), c.content) {
				t.Errorf("the error holds the content: %v", err)
			}
		})
	}
}

func TestReadKeyFileOfNothing(t *testing.T) {
	if _, err := ReadKeyFile(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "rotatord seal init") {
		t.Errorf("no file: got %v, want an error that says how to make a key", err)
	}
	if _, err := ReadKeyFile(t.TempDir()); err == nil || !strings.Contains(err.Error(), "regular file") {
		t.Errorf("a folder: got %v, want an error that says so", err)
	}
}

func TestNewKeyCanBeReadBack(t *testing.T) {
	a, b := NewKey(), NewKey()
	if a == b {
		t.Fatal("two fresh keys are the same")
	}
	if _, err := ReadKeyFile(writeKeyFile(t, a+"\n", 0o440)); err != nil {
		t.Fatal(err)
	}
}
