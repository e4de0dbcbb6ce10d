//go:build unix

package seal

import (
	"os"
	"syscall"
)

// likeOwner gives the file to whom the other one belongs: root may exchange the key of a daemon that runs as another user.
func likeOwner(f *os.File, other os.FileInfo) error {
	if st, ok := other.Sys().(*syscall.Stat_t); ok {
		return f.Chown(int(st.Uid), int(st.Gid))
	}
	return nil
}
