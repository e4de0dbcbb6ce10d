package vault

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/sinks/pathtemplate"
	"github.com/rotatord/rotatord/sinks/vault/session"
)

// Options configure a sink.
type Options struct {
	// Address is the server's base URL: scheme and host, and a path if a proxy adds one.
	Address string
	// Namespace is the namespace that Mount and Auth are in; empty for the root.
	Namespace string
	// CAFile holds certificates, in PEM, to trust in place of the system's.
	CAFile string
	// CertFile and KeyFile hold the client certificate and its private key, in PEM. They are read again when a connection is
	// made, so they may be renewed in place.
	CertFile, KeyFile string
	// ServerName is the name expected in the server's certificate, where it is not the address's host.
	ServerName string
	// Auth says how to log in.
	Auth Auth
	// Mount is the path of the key-value engine; "secret" when empty.
	Mount string
	// KVVersion is the engine's version, 1 or 2; 0 asks the server. A number that the server contradicts is a fault.
	KVVersion int
	// Path is where a credential is below the mount: a [pathtemplate].
	Path string
	// Field names the secret in an entry; "api_key" when empty.
	Field string
	// AdoptExisting takes over entries that somebody else wrote, in place of reporting a conflict.
	AdoptExisting bool
	// Timeout bounds one request; 30 seconds when zero.
	Timeout time.Duration
	// Observer, if set, is told of every request, for metrics. It is called from several goroutines.
	Observer func(Request)
}

// The operations that an Observer is told of.
const (
	opDetect = "detect"
	opRead   = "read"
	opWrite  = "write"
	opMark   = "mark"
)

// Operations lists every Request.Operation, for metrics that want to begin at zero.
func Operations() []string {
	return append(session.Operations(), opDetect, opRead, opWrite, opMark)
}

// The defaults of Options.
const (
	defaultMount = "secret"
	defaultField = "api_key"
)

// fill sets the defaults and reports everything that is wrong.
func (o *Options) fill() error {
	o.Mount = strings.Trim(o.Mount, "/")
	if o.Mount == "" {
		o.Mount = defaultMount
	}
	if o.Field == "" {
		o.Field = defaultField
	}
	return o.checkEntry()
}

// session are the options of the session with the server.
func (o *Options) session() session.Options {
	return session.Options{Address: o.Address, Namespace: o.Namespace, CAFile: o.CAFile, CertFile: o.CertFile, KeyFile: o.KeyFile,
		ServerName: o.ServerName, Auth: o.Auth, Timeout: o.Timeout, Observer: o.Observer}
}

// The parts of Options that are about the session.
type (
	// Auth says how to log in. Exactly one field is set.
	Auth = session.Auth
	// AppRole logs in with a role id and a secret id.
	AppRole = session.AppRole
	// Kubernetes logs in with a pod's service account.
	Kubernetes = session.Kubernetes
	// Request is what an Observer is told of one request.
	Request = session.Request
)

func (o *Options) checkEntry() error {
	switch {
	case o.KVVersion < 0 || o.KVVersion > 2:
		return fmt.Errorf("kv_version %d: must be 1 or 2, or be left out to ask the server", o.KVVersion)
	case slices.Contains(ownFields, o.Field):
		return fmt.Errorf("field %q: is used for something else in the entry; choose another", o.Field)
	case path.IsAbs(o.Path):
		return fmt.Errorf("path %q: is below the mount; leave the first / out", o.Path)
	}
	if err := pathtemplate.Check(o.Mount); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	return nil
}
