package report

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// reportMode lets others of the group read a report: it names people, and no secret.
const reportMode = 0o640

// ToFile lets write make a file that is there whole or not at all: what stood at path before stays until the new one is
// complete and on the disk.
func ToFile(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("the report cannot be written: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := fill(f, write); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("the report is written and cannot take its place: %w", err)
	}
	return nil
}

func fill(f *os.File, write func(io.Writer) error) error {
	if err := write(f); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Chmod(reportMode), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("the report cannot be written: %w", err)
	}
	return nil
}
