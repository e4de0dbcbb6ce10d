package seal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// PutKeyFirst puts a new key in front of those in the file, which all stay: from the next reading on the new one seals. The
// file is replaced as a whole, with its mode and owner, and is durable when PutKeyFirst returns: at every instant, after a
// power cut too, the file holds every key that anything is sealed under. It returns what the file holds now.
func PutKeyFirst(path string) (*Sealer, error) {
	return rewrite(path, func(keys [][]byte) ([][]byte, error) {
		fresh, err := base64.StdEncoding.DecodeString(NewKey())
		return append([][]byte{fresh}, keys...), err
	})
}

// KeepFirstKey drops every key in the file but the first. Only do this when nothing is sealed under the others any more. The
// file is replaced as [PutKeyFirst] does it.
func KeepFirstKey(path string) (*Sealer, error) {
	return rewrite(path, func(keys [][]byte) ([][]byte, error) { return keys[:1], nil })
}

// rewrite replaces the keys in the file by what change makes of them.
func rewrite(path string, change func([][]byte) ([][]byte, error)) (*Sealer, error) {
	content, err := readPrivate(path)
	if err != nil {
		return nil, err
	}
	defer clear(content)
	keys, err := parseKeys(content)
	if err == nil {
		keys, err = change(keys)
	}
	if err != nil {
		return nil, fmt.Errorf("seal key file %s: %w; %s", path, err, howTo)
	}
	next, err := New(keys...)
	if err != nil {
		return nil, fmt.Errorf("seal key file %s: %w", path, err)
	}
	var text bytes.Buffer
	defer func() { clear(text.Bytes()) }()
	for _, k := range keys {
		text.WriteString(base64.StdEncoding.EncodeToString(k) + "\n")
		clear(k)
	}
	if text.Len() > maxKeyFile {
		return nil, fmt.Errorf("seal key file %s: it would hold %d keys; drop the old ones first, with: rotatord seal rotate --finish", path, len(keys))
	}
	if err := replace(path, text.Bytes()); err != nil {
		return nil, fmt.Errorf("seal key file %s cannot be replaced, and is as it was: %w; if it is a copy that the system hands to the daemon "+
			"(systemd, Kubernetes), name the original", path, err)
	}
	return next, nil
}

// replace writes a new file beside the old one and puts it in its place. A symbolic link keeps pointing where it does.
func replace(path string, content []byte) (err error) {
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // it has another name by then, unless something failed
	if err = errors.Join(likeOwner(f, info), f.Chmod(info.Mode().Perm())); err == nil {
		_, err = f.Write(content)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the folder of the operator's own file
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
