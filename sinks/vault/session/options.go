package session

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/sinks/pathtemplate"
)

// Options configure a session.
type Options struct {
	// Address is the server's base URL: scheme and host, and a path if a proxy adds one. It is https, or http on a loopback host.
	Address string
	// Namespace is the namespace that everything is in; empty for the root.
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
	// Timeout bounds one request; 30 seconds when zero.
	Timeout time.Duration
	// Observer, if set, is told of every request, for metrics. It is called from several goroutines.
	Observer func(Request)
}

// Auth says how to log in. Exactly one field is set.
type Auth struct {
	// TokenFile is a file that holds a token, as an agent writes it. It is read again when it changes.
	TokenFile  string
	AppRole    *AppRole
	Kubernetes *Kubernetes
}

// AppRole logs in with a role id and a secret id.
type AppRole struct {
	// Mount is the path of the auth method; "approle" when empty.
	Mount string
	// RoleID is the role's id. It is no secret.
	RoleID string
	// SecretID returns the secret id; it is called at each login.
	SecretID func() (rotator.Secret, error)
	// SecretIDFile is a file that holds the secret id and is read at each login. Set this or SecretID.
	SecretIDFile string
}

// Kubernetes logs in with a pod's service account.
type Kubernetes struct {
	// Mount is the path of the auth method; "kubernetes" when empty.
	Mount string
	// Role is the role to ask for.
	Role string
	// JWTFile is the pod's token, read at each login; the usual place when empty.
	JWTFile string
}

// Request is what an Observer is told of one request.
type Request struct {
	// Operation is one of [Operations], or what the session's user calls its own.
	Operation string
	// Took is from sending the request to the end of its answer.
	Took time.Duration
	// Err is nil, or a [*rotator.Fault].
	Err error
}

// The operations of a session that an Observer is told of.
const (
	opLogin          = "login"
	opRenew          = "renew"
	opLookup         = "lookup"
	opLookupSecretID = "lookup_secret_id"
	opRevoke         = "revoke"
)

// Operations lists the operations of a session itself, for metrics that want to begin at zero.
func Operations() []string { return []string{opLogin, opRenew, opLookup, opLookupSecretID, opRevoke} }

// The defaults of Options.
const (
	defaultTimeout = 30 * time.Second
	defaultJWTFile = "/var/run/secrets/kubernetes.io/serviceaccount/token"
)

// fill sets the defaults and reports everything that is wrong.
func (o *Options) fill() error {
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Observer == nil {
		o.Observer = func(Request) {}
	}
	return errors.Join(o.checkAddress(), o.checkFiles(), o.Auth.fill())
}

func (o *Options) checkAddress() error {
	u, err := url.Parse(o.Address)
	switch {
	case err != nil:
		return fmt.Errorf("address: %w", err)
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return fmt.Errorf("address %q: write it as https://vault.example:8200", u.Redacted())
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("address %q: must be scheme, host and perhaps a path, nothing else", u.Redacted())
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return fmt.Errorf("address %q: would send tokens and secrets over the network unencrypted; write https://", u.Redacted())
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (o *Options) checkFiles() error {
	if (o.CertFile == "") != (o.KeyFile == "") {
		return errors.New("cert_file and key_file: set both or neither")
	}
	return nil
}

func (a *Auth) fill() error {
	ways := 0
	for _, set := range []bool{a.TokenFile != "", a.AppRole != nil, a.Kubernetes != nil} {
		if set {
			ways++
		}
	}
	if ways != 1 {
		return fmt.Errorf("auth: has %d ways to log in; set exactly one of token_file, approle and kubernetes", ways)
	}
	switch { // copied, because the caller's own is not ours to change
	case a.AppRole != nil:
		a.AppRole = new(*a.AppRole)
		return a.AppRole.fill()
	case a.Kubernetes != nil:
		a.Kubernetes = new(*a.Kubernetes)
		return a.Kubernetes.fill()
	}
	return nil
}

func (a *AppRole) fill() error {
	a.Mount = strings.Trim(a.Mount, "/")
	if a.Mount == "" {
		a.Mount = "approle"
	}
	switch {
	case a.RoleID == "":
		return errors.New("auth.approle: role_id is missing")
	case (a.SecretID == nil) == (a.SecretIDFile == ""):
		return errors.New("auth.approle: set exactly one of secret_id and secret_id_file")
	case a.SecretID == nil:
		file := a.SecretIDFile
		a.SecretID = func() (rotator.Secret, error) { return readSecret(file) }
	}
	return pathtemplate.Check(a.Mount)
}

func (k *Kubernetes) fill() error {
	k.Mount = strings.Trim(k.Mount, "/")
	if k.Mount == "" {
		k.Mount = "kubernetes"
	}
	if k.JWTFile == "" {
		k.JWTFile = defaultJWTFile
	}
	if k.Role == "" {
		return errors.New("auth.kubernetes: role is missing")
	}
	return pathtemplate.Check(k.Mount)
}
