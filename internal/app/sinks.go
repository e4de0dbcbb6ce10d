package app

import (
	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/sinks/file"
	"github.com/rotatord/rotatord/sinks/vault"
	"github.com/rotatord/rotatord/sinks/vault/session"
)

func newFile(c *config.File) (rotator.Sink, error) {
	return made(file.New(file.Options{
		Path: c.Path, Root: c.Root, Mode: c.Mode.Perm(), DirMode: c.DirMode.Perm(), Owner: c.Owner, Group: c.Group,
		Format: file.Format(c.Format), Template: c.Template, Field: c.Field, KeepPrevious: c.KeepPrevious, AdoptExisting: c.AdoptExisting,
	}))
}

func newVault(c *config.Vault) (rotator.Sink, error) {
	return made(vault.New(vault.Options{
		Address: c.Address, Namespace: c.Namespace, CAFile: c.CAFile, CertFile: c.CertFile, KeyFile: c.KeyFile, ServerName: c.ServerName,
		Auth: vaultAuth(&c.Auth), Mount: c.Mount, KVVersion: c.KVVersion, Path: c.Path, Field: c.Field, AdoptExisting: c.AdoptExisting,
		Timeout: c.Timeout.Std(),
	}))
}

// made keeps a nil pointer from becoming an interface that is not nil.
func made[S rotator.Sink](s S, err error) (rotator.Sink, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

func vaultAuth(c *config.VaultAuth) session.Auth {
	auth := session.Auth{TokenFile: c.TokenFile}
	if r := c.AppRole; r != nil {
		auth.AppRole = &session.AppRole{Mount: r.Mount, RoleID: r.RoleID, SecretID: r.SecretID.Resolve}
	}
	if k := c.Kubernetes; k != nil {
		auth.Kubernetes = &session.Kubernetes{Mount: k.Mount, Role: k.Role, JWTFile: k.JWTFile}
	}
	return auth
}
