package config

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/rotatord/rotatord/rotator"
)

// maxSecret bounds what is read from a secret's file, so that a wrong path (a device, a log) cannot fill the memory.
const maxSecret = 64 << 10

// SecretRef says where a secret is. In the file, a secret x is written as x_file or x_env, or, which is not
// recommended, as x with the secret itself; exactly one of them.
type SecretRef struct {
	// Value is the secret itself, written into the configuration.
	Value rotator.Secret
	// File is the absolute path of a file that holds it.
	File string
	// Env is the name of an environment variable that holds it.
	Env string
}

// IsZero reports whether no secret is referred to.
func (r SecretRef) IsZero() bool { return r.Value.Empty() && r.File == "" && r.Env == "" }

// String says where the secret is, without it.
func (r SecretRef) String() string {
	switch {
	case r.File != "":
		return "file " + r.File
	case r.Env != "":
		return "environment variable " + r.Env
	case !r.Value.Empty():
		return "value in the configuration"
	default:
		return "nowhere"
	}
}

// Resolve reads the secret now: a file that was replaced gives its new content. One newline at the end (\n or \r\n)
// is not part of the secret. An empty secret is an error. The error names the file or the variable, never the secret.
func (r SecretRef) Resolve() (rotator.Secret, error) {
	raw, err := r.read()
	if err != nil {
		return rotator.Secret{}, err
	}
	secret := trimNewline(raw)
	if len(secret) == 0 {
		return rotator.Secret{}, fmt.Errorf("the secret in %s is empty", r)
	}
	return rotator.NewSecret(secret), nil
}

func (r SecretRef) read() ([]byte, error) {
	switch {
	case r.File != "":
		return readSecretFile(r.File)
	case r.Env != "":
		value, ok := os.LookupEnv(r.Env)
		if !ok {
			return nil, fmt.Errorf("environment variable %s is not set, and a secret is expected there", r.Env)
		}
		return []byte(value), nil
	default:
		return bytes.Clone(r.Value.Reveal()), nil
	}
}

func readSecretFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the path is the operator's choice
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	defer f.Close() //nolint:errcheck // opened for reading
	raw, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	if len(raw) > maxSecret {
		return nil, fmt.Errorf("read secret: %s holds more than %d bytes, which is no secret", path, maxSecret)
	}
	return raw, nil
}

func trimNewline(raw []byte) []byte {
	if line, ok := bytes.CutSuffix(raw, []byte("\r\n")); ok {
		return line
	}
	return bytes.TrimSuffix(raw, []byte("\n"))
}

// Warning says, in words for a person, what is unsafe about where the secret is; it is empty when nothing is, and when
// the file cannot be looked at, which [SecretRef.Resolve] reports.
func (r SecretRef) Warning() string {
	if r.File == "" {
		return ""
	}
	info, err := os.Stat(r.File)
	if err != nil || info.Mode().Perm()&0o004 == 0 {
		return ""
	}
	return fmt.Sprintf("every user of this machine can read %s, which holds a secret", r.File)
}
