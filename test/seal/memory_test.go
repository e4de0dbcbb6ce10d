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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/test/daemon"
)

// TestMemoryHoldsNoSecretAfterARotation dumps the memory of the real process once every sink is confirmed, and again once the old
// key is revoked, for which the secret was read back, and with it the new one, which was out when the leak was told of. It looks for
// the secrets that the provider made: as they are, in base64, in hex and as JSON writes them, whole or in part. What Go's runtime and
// its standard library copied has no owner that could wipe it; it must be gone all the same within forgotten.
func TestMemoryHoldsNoSecretAfterARotation(t *testing.T) {
	for _, format := range []string{"raw", "json"} {
		t.Run(format, func(t *testing.T) {
			s := newScene(t, "", format, nil)
			s.d.Configure(strings.Replace(fmt.Sprintf(policies, s.provider.BaseURL, format), "grace: 1s", "grace: 10m", 1))
			s.d.Start()
			s.inStage("grace")
			if len(s.copies(s.provider.ManagerSecret())) == 0 {
				t.Fatal("the daemon's own key is not in its memory: this test sees nothing")
			}
			s.forgets("the delivery")
			out, errs, code := s.d.Command("rotate", "--compromised", "cc/ci-build/deploy", "--server", s.d.URL())
			if code != 0 || !strings.Contains(out, "key deploy-r0001 (id") || !strings.Contains(out, "\nCONFIRMED") { // it was out before the leak was reported
				t.Fatalf("rotate: exit code %d:\n%s\n%s", code, out, errs)
			}
			if n := len(s.minted()); n != 2 {
				t.Fatalf("%d keys were made, want 2", n)
			}
			s.forgets("two revocations")
		})
	}
}

// forgotten is how long a copy may live.
const forgotten = 30 * time.Second

func (s *scene) forgets(after string) {
	s.t.Helper()
	began := time.Now()
	for n, minted := range s.minted() {
		daemon.Await(s.t, forgotten, "the end of the last copy after "+after, func() error {
			if found := s.copies(minted); len(found) > 0 {
				return fmt.Errorf("%d copies of the secret of new key %d are in memory:\n%s", len(found), n+1, strings.Join(found, "\n"))
			}
			return nil
		})
	}
	s.t.Logf("no copy is left %s after %s", time.Since(began).Round(time.Second/10), after)
}

// minted are the secrets of the keys that the daemon made.
func (s *scene) minted() []string {
	s.t.Helper()
	all := slices.DeleteFunc(s.provider.Secrets(), func(secret string) bool { return secret == s.service.Secret || secret == s.provider.ManagerSecret() })
	if len(all) == 0 {
		s.t.Fatal("the provider made no key")
	}
	return all
}

// copies says where the secret, or a part of it, is in the daemon's memory.
func (s *scene) copies(secret string) (found []string) {
	s.t.Helper()
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", s.d.PID()))
	if err != nil {
		s.t.Fatalf("%v; the daemon is closed to everybody but root: run this test as root", err)
	}
	defer memory.Close()
	patterns := forms(secret)
	for _, m := range s.writable() {
		content := make([]byte, m.size)
		got, err := memory.ReadAt(content, m.at)
		if err != nil && got == 0 && err != io.EOF {
			continue // mapped and not readable: a guard page, or gone since
		}
		for form, pattern := range patterns {
			for from := 0; ; {
				at := bytes.Index(content[from:got], pattern)
				if at < 0 {
					break
				}
				at += from
				found = append(found, fmt.Sprintf("%s, at %#x: %q", form, m.at+int64(at), content[max(0, at-60):min(got, at+60)]))
				from = at + len(pattern)
			}
		}
	}
	return found
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
	defer maps.Close()
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
