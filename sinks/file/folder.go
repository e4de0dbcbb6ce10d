package file

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
)

// The names that are ours. A location may not end in one of them.
const (
	ledgerSuffix   = ".rotatord.json"
	tempSuffix     = ".rotatord.tmp"
	previousSuffix = ".previous"
)

// maxName leaves room for the names above beside a file's name, in bytes.
const maxName = 200

// maxContent is how much of a file is read, in bytes: far more than any secret needs.
const maxContent = 1 << 20

// run tells the temporary files of this process from those that an earlier one left behind.
var run = rand.Text()[:8]

// owned are the permissions that something is given before it gets its name.
type owned struct {
	uid, gid int
	mode     fs.FileMode
}

// folder is an open folder, below the sink's root, in which one file is looked after.
type folder struct {
	root *os.Root
	// step is called before each change; tests stop there, as a crash would.
	step func(what string) error
}

func (f folder) close() { _ = f.root.Close() }

// open opens the folder of a location, a path below root; with create, it makes what is missing.
func (s *Sink) open(location string, create bool) (folder, error) {
	dir := path.Dir(location)
	top, err := os.OpenRoot(s.root)
	if errors.Is(err, fs.ErrNotExist) && create {
		top, err = s.makeRoot()
	}
	if err != nil {
		return folder{}, err
	}
	at := folder{top, s.step}
	if dir == s.root {
		return at, nil
	}
	return s.descend(at, strings.TrimPrefix(dir, s.root+"/"), create)
}

// makeRoot makes the sink's root below the nearest folder that exists.
func (s *Sink) makeRoot() (*os.Root, error) {
	for dir := path.Dir(s.root); ; dir = path.Dir(dir) {
		top, err := os.OpenRoot(dir)
		if errors.Is(err, fs.ErrNotExist) && dir != "/" {
			continue
		}
		if err != nil {
			return nil, err
		}
		made, err := s.descend(folder{top, s.step}, strings.TrimPrefix(strings.TrimPrefix(s.root, dir), "/"), true)
		return made.root, err
	}
}

// descend goes down from at, which it closes, part by part.
func (s *Sink) descend(at folder, below string, create bool) (folder, error) {
	for part := range strings.SplitSeq(below, "/") {
		next, err := at.root.OpenRoot(part)
		if errors.Is(err, fs.ErrNotExist) && create {
			next, err = s.makeFolder(at, part)
		}
		at.close()
		if err != nil {
			return folder{}, err
		}
		at = folder{next, s.step}
	}
	return at, nil
}

// makeFolder makes and opens one folder. Only one is made at a time: two deliveries that miss the same one would otherwise
// replace it under each other's hands.
func (s *Sink) makeFolder(at folder, name string) (*os.Root, error) {
	s.making.Lock()
	defer s.making.Unlock()
	if made, err := at.root.OpenRoot(name); err == nil {
		return made, nil
	}
	if err := at.mkdir(name, owned{s.uid, s.gid, s.options.DirMode}); err != nil {
		return nil, err
	}
	return at.root.OpenRoot(name)
}

// mkdir makes a folder that has its permissions from the start, durably.
func (f folder) mkdir(name string, as owned) (err error) {
	temp := tempName(name)
	if err := f.do("mkdir "+name, func() error { return f.root.Mkdir(temp, 0o700) }); err != nil {
		return err
	}
	defer f.discard(temp, &err)
	if as.uid != unchanged || as.gid != unchanged {
		if err := f.root.Chown(temp, as.uid, as.gid); err != nil {
			return err
		}
	}
	if err := f.root.Chmod(temp, as.mode); err != nil {
		return err
	}
	// Another process may have made it meanwhile: an empty one is replaced, a full one is as good.
	err = f.do("rename folder "+name, func() error { return f.root.Rename(temp, name) })
	if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTEMPTY) {
		return f.root.Remove(temp)
	}
	if err != nil {
		return err
	}
	return f.sync("parent of " + name)
}

// replace makes name hold the content, in one step and durably, with its permissions in place before the name is.
func (f folder) replace(name string, content []byte, as owned) (err error) {
	temp := tempName(name)
	if err := f.do("create for "+name, func() error { return f.write(temp, content, as) }); err != nil {
		_ = f.root.Remove(temp) // the first error is the one to report
		return err
	}
	defer f.discard(temp, &err)
	if err := f.do("rename to "+name, func() error { return f.root.Rename(temp, name) }); err != nil {
		return err
	}
	return f.sync("folder of " + name)
}

func (f folder) write(temp string, content []byte, as owned) error {
	file, err := f.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(fillFile(file, content, as), file.Close())
}

// fillFile gives the file to its owner before it opens it to others: chown may clear mode bits.
func fillFile(file *os.File, content []byte, as owned) error {
	if _, err := file.Write(content); err != nil {
		return err
	}
	if as.uid != unchanged || as.gid != unchanged {
		if err := file.Chown(as.uid, as.gid); err != nil {
			return err
		}
	}
	if err := file.Chmod(as.mode); err != nil {
		return err
	}
	return file.Sync()
}

// discard removes a temporary file or folder after a failure.
func (f folder) discard(temp string, err *error) {
	if *err != nil {
		_ = f.root.Remove(temp) // after a rename it is no longer there
	}
}

// sync makes the folder's names survive a power cut.
func (f folder) sync(what string) error {
	return f.do("sync "+what, func() error {
		dir, err := f.root.Open(".")
		if err != nil {
			return err
		}
		return errors.Join(dir.Sync(), dir.Close())
	})
}

func (f folder) do(what string, act func() error) error {
	if f.step != nil {
		if err := f.step(what); err != nil {
			return err
		}
	}
	return act()
}

// errOdd is for what is not a regular file, and for a file that grew beyond what is read.
type errOdd struct{ what string }

func (e errOdd) Error() string { return e.what }

// read returns a regular file's content and status. It follows no link.
func (f folder) read(name string) ([]byte, fs.FileInfo, error) {
	seen, err := f.root.Lstat(name)
	if err != nil {
		return nil, nil, err
	}
	if !seen.Mode().IsRegular() {
		return nil, nil, errOdd{"it is " + kindOfFile(seen.Mode()) + ", not a file"}
	}
	// Not to wait for ever, should it be a pipe by now.
	file, err := f.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close() //nolint:errcheck // opened for reading
	opened, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !opened.Mode().IsRegular() {
		return nil, nil, errOdd{"it is " + kindOfFile(opened.Mode()) + ", not a file"}
	}
	content, err := io.ReadAll(io.LimitReader(file, maxContent+1))
	if err == nil && len(content) > maxContent {
		err = errOdd{"it has more than 1 MiB, which is no secret"}
	}
	return content, opened, err
}

func kindOfFile(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	case m.IsDir():
		return "a folder"
	default:
		return "a special file"
	}
}

// sweep removes what an earlier process left half-way. A temporary file of another process that is alive is removed too: its
// delivery fails at the rename and is repeated.
func (f folder) sweep() (entries int, err error) {
	dir, err := f.root.Open(".")
	if err != nil {
		return 0, err
	}
	defer dir.Close() //nolint:errcheck // opened for reading
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		if leftBehind(name) {
			_ = f.root.Remove(name) // it is looked at again next time
		}
	}
	return len(names), nil
}

// tempName is .<name>.<process><random>.rotatord.tmp.
func tempName(name string) string { return "." + name + "." + run + rand.Text()[:8] + tempSuffix }

func leftBehind(name string) bool {
	body, ok := strings.CutSuffix(name, tempSuffix)
	if !ok || !strings.HasPrefix(body, ".") {
		return false
	}
	id := body[strings.LastIndexByte(body, '.')+1:]
	return len(id) == 16 && bytes.Trim([]byte(id), "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == nil && !strings.HasPrefix(id, run)
}
