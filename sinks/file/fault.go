package file

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"github.com/rotatord/rotatord/rotator"
)

// What [os.Root] says of a link that leads out of it, and of a file where it is asked to open a folder. The errors behind
// these words are not exported.
const (
	escapes   = "path escapes from parent"
	notFolder = "not a directory"
)

// classify says what an error of the file system means. A full or read-only disk heals when somebody looks after it, so it
// is retried and seen; a refused permission does not heal by waiting.
func classify(op string, err error) error {
	if _, ok := errors.AsType[*rotator.Fault](err); ok {
		return err
	}
	kind, advice := meaning(err)
	if advice == "" {
		return rotator.NewFault(op, kind, "%w", err)
	}
	return rotator.NewFault(op, kind, "%w: %s", err, advice)
}

func meaning(err error) (kind rotator.Kind, advice string) {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return rotator.Transient, "there was no time to finish it; it is tried again"
	case errors.Is(err, syscall.ENOSPC):
		return rotator.Transient, "the disk is full; free some space (or inodes: df -h, df -i). What was there before is intact, and it is tried again"
	case errors.Is(err, syscall.EDQUOT):
		return rotator.Transient, "the disk quota of the daemon's user is used up; raise it. What was there before is intact, and it is tried again"
	case errors.Is(err, syscall.EROFS):
		return rotator.Transient, "the file system is read-only for the daemon; remount it, or add the folder to ReadWritePaths= of the unit. It is tried again"
	case errors.Is(err, fs.ErrPermission):
		return rotator.Denied, "the daemon's user needs write and search permission on the folder, and to be root or a member of the group that files are given to"
	case errors.Is(err, syscall.ENAMETOOLONG):
		return rotator.Invalid, "the file system takes no such long name; shorten the path"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, fs.ErrExist), strings.HasSuffix(err.Error(), notFolder):
		return rotator.Conflict, "a part of the path is a file where a folder should be, or the reverse; move it away, or change the path"
	case errors.Is(err, syscall.ELOOP), strings.HasSuffix(err.Error(), escapes):
		return rotator.Invalid, "a symbolic link in the path leads out of the sink's root; remove it, or set root to where it leads"
	default:
		return rotator.Transient, ""
	}
}
