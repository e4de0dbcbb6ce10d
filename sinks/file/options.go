package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os/user"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/rotatord/rotatord/sinks/pathtemplate"
)

// Format is how a file is laid out.
type Format string

// The formats.
const (
	// Raw is the secret alone, byte for byte, without a newline at its end.
	Raw Format = "raw"
	// JSON is an object with the secret under Options.Field, and key_id, key_name, version, expires (RFC 3339, absent for
	// never), provider, service_user, credential.
	JSON Format = "json"
	// Env is lines NAME="value" that a shell can source and systemd can take as EnvironmentFile=. The secret's NAME is
	// Options.Field in capitals; NAME_ID, NAME_NAME, NAME_VERSION and NAME_EXPIRES (absent for never) follow it.
	Env Format = "env"
	// Template is what Options.Template makes of the delivery.
	Template Format = "template"
)

// Options configure a sink. The zero value of each but Path is usable.
type Options struct {
	// Path is the absolute path of a credential's file: a [pathtemplate].
	Path string
	// Root is the folder that no path leads out of; it is made when it does not exist. The default is the part of Path before
	// the first {{, up to its last slash. It may not be /.
	Root string
	// Mode is the file's permission bits; 0600 when zero.
	Mode fs.FileMode
	// DirMode is the permission bits of folders that have to be made; 0750 when zero.
	DirMode fs.FileMode
	// Owner and Group own the file and the folders that have to be made, by name or number; the daemon's own when empty.
	Owner, Group string
	// Format is the file's layout; Raw when empty.
	Format Format
	// Template is the text for format Template: Go's text/template over .Provider, .UserID, .ServiceUser, .Credential, .Version,
	// .KeyID, .KeyName, .Rotation, .Fingerprint, .Expires and .Secret, with the functions of [pathtemplate.Functions].
	// The secret must come out of it byte for byte, so that it can be read back.
	Template string
	// Field names the secret in formats JSON and Env; "api_key" when empty.
	Field string
	// KeepPrevious leaves the content before beside the file, as <name>.previous, with the same mode and owner.
	KeepPrevious bool
	// AdoptExisting takes over files that somebody else wrote, in place of reporting a conflict.
	AdoptExisting bool
}

// The defaults of Options.
const (
	defaultMode    fs.FileMode = 0o600
	defaultDirMode fs.FileMode = 0o750
	defaultField               = "api_key"
)

var validField = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// fill sets the defaults and reports everything that is wrong.
func (o *Options) fill(t *pathtemplate.Template) error {
	if o.Mode == 0 {
		o.Mode = defaultMode
	}
	if o.DirMode == 0 {
		o.DirMode = defaultDirMode
	}
	if o.Field == "" {
		o.Field = defaultField
	}
	if o.Format == "" {
		o.Format = Raw
	}
	if o.Root == "" {
		o.Root = t.Prefix()
	}
	return errors.Join(o.checkRoot(t), o.checkModes(), o.checkField())
}

func (o *Options) checkRoot(t *pathtemplate.Template) error {
	if !path.IsAbs(o.Path) {
		return fmt.Errorf("path %q: must be absolute: begin it with /", o.Path)
	}
	o.Root = path.Clean(o.Root)
	switch {
	case !path.IsAbs(o.Root) || o.Root == "/":
		return fmt.Errorf("root %q: must be the absolute path of a folder below /; set root, or begin path with a folder", o.Root)
	case !strings.HasPrefix(t.Prefix(), o.Root+"/"):
		return fmt.Errorf("path %q: does not begin with root %s", o.Path, o.Root)
	}
	return nil
}

func (o *Options) checkModes() error {
	switch {
	case o.Mode&^0o777 != 0 || o.DirMode&^0o777 != 0:
		return fmt.Errorf("mode %o and dir_mode %o: only the nine permission bits can be set", o.Mode, o.DirMode)
	case o.Mode&0o400 == 0:
		return fmt.Errorf("mode %04o: would keep the daemon from reading back what it delivered; write 0600 or 0640", o.Mode)
	case o.DirMode&0o700 != 0o700:
		return fmt.Errorf("dir_mode %04o: would keep the daemon out of the folder; write 0700 or 0750", o.DirMode)
	}
	return nil
}

func (o *Options) checkField() error {
	if !validField.MatchString(o.Field) {
		return fmt.Errorf("field %q: must be letters, digits and _, not beginning with a digit", o.Field)
	}
	for _, taken := range jsonNames {
		if o.Field == taken {
			return fmt.Errorf("field %q: is used for something else in the file; choose another", o.Field)
		}
	}
	return nil
}

// unchanged is the id that chown takes for "leave it".
const unchanged = -1

func ownerID(name string) (int, error) {
	if name == "" {
		return unchanged, nil
	}
	if id, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(id), nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return 0, fmt.Errorf("owner %q: %w; create the user, or write a number", name, err)
	}
	return strconv.Atoi(u.Uid)
}

func groupID(name string) (int, error) {
	if name == "" {
		return unchanged, nil
	}
	if id, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(id), nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("group %q: %w; create the group, or write a number", name, err)
	}
	return strconv.Atoi(g.Gid)
}
