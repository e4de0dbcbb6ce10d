package seal_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/test/daemon"
)

// TestMemoryHoldsNoSecretAfterARotation dumps the memory of the real process once a rotation has ended, and looks for the secrets
// that the provider made: as they are, in base64, in hex and as JSON writes them, whole or in part. What Go's runtime and its
// standard library copied has no owner that could wipe it; it must be gone all the same within forgotten.
func TestMemoryHoldsNoSecretAfterARotation(t *testing.T) {
	for _, format := range []string{"raw", "json"} {
		t.Run(format, func(t *testing.T) {
			s := newScene(t, "", format, nil)
			free := s.undeliverable()
			s.d.Start()
			s.inStage("delivering")
			if s.copies(s.provider.ManagerSecret()) == 0 {
				t.Fatal("the daemon's own key is not in its memory: this test sees nothing")
			}
			free()
			s.done()
			minted := s.minted()
			daemon.Await(t, forgotten, "the end of the last copy", func() error {
				if n := s.copies(minted); n > 0 {
					return fmt.Errorf("%d copies of the new key's secret are in memory", n)
				}
				return nil
			})
		})
	}
}

// forgotten is how long a copy may live after the rotation.
const forgotten = 20 * time.Second

// minted is the secret of the key that the daemon made.
func (s *scene) minted() string {
	s.t.Helper()
	for _, secret := range s.provider.Secrets() {
		if secret != s.service.Secret && secret != s.provider.ManagerSecret() {
			return secret
		}
	}
	s.t.Fatal("the provider made no key")
	return ""
}

// copies counts where the secret, or a part of it, is in the daemon's memory.
func (s *scene) copies(secret string) (n int) {
	s.t.Helper()
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", s.d.PID()))
	if err != nil {
		s.t.Fatalf("%v; the daemon is closed to everybody but root: run this test as root", err)
	}
	defer memory.Close() //nolint:errcheck // it is only read
	patterns := forms(secret)
	for _, m := range s.writable() {
		content := make([]byte, m.size)
		got, err := memory.ReadAt(content, m.at)
		if err != nil && got == 0 && err != io.EOF {
			continue // mapped and not readable: a guard page, or gone since
		}
		for form, pattern := range patterns {
			for rest := content[:got]; ; n++ {
				at := bytes.Index(rest, pattern)
				if at < 0 {
					break
				}
				if testing.Verbose() {
					s.t.Logf("%s in %s: …%q", form, m.name, rest[max(0, at-40):min(len(rest), at+60)])
				}
				rest = rest[at+len(pattern):]
			}
		}
	}
	return n
}

// forms are the forms that a secret takes in memory: a piece from the middle of each, so that a copy whose ends were overwritten
// counts too.
func forms(secret string) map[string][]byte {
	quoted, _ := json.Marshal(secret) // a string
	all := map[string]string{"as it is": secret, "in hex": hex.EncodeToString([]byte(secret))}
	if escaped := strings.Trim(string(quoted), `"`); escaped != secret {
		all["in JSON"] = escaped
	}
	for shift := range 3 {
		text := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("\x00", shift) + secret))
		all[fmt.Sprintf("in base64, shifted by %d", shift)] = text[4:]
	}
	forms := map[string][]byte{}
	for name, text := range all {
		const piece = 20
		from := max(0, len(text)/2-piece/2)
		forms[name] = []byte(text[from:min(len(text), from+piece)])
	}
	return forms
}

type mapping struct {
	at, size int64
	name     string
}

// writable are the mappings that the process can write to: all that it could keep a secret in.
func (s *scene) writable() (all []mapping) {
	s.t.Helper()
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", s.d.PID()))
	must(s.t, err)
	defer maps.Close() //nolint:errcheck // it is only read
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		var from, to int64
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &from, &to); err != nil || !strings.Contains(fields[1], "w") {
			continue
		}
		all = append(all, mapping{from, to - from, strings.Join(fields[5:], " ")})
	}
	return all
}
