package config

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
)

func (c *checker) sinks() {
	things := make([]named, len(c.cfg.Sinks))
	for i := range c.cfg.Sinks {
		s := &c.cfg.Sinks[i]
		at := fmt.Sprintf("sinks[%d]", i)
		things[i] = named{s.Name, at}
		switch {
		case s.Vault != nil:
			c.vault(at, s.Vault)
		case s.File != nil:
			c.file(at, s.File)
		}
	}
	c.names(things)
}

func (c *checker) vault(at string, o *Vault) {
	c.baseURL(at+".address", o.Address)
	c.absolute(at+".ca_file", o.CAFile)
	c.absolute(at+".cert_file", o.CertFile)
	c.absolute(at+".key_file", o.KeyFile)
	c.timeout(at+".timeout", o.Timeout)
	c.location(at+".path", o.Path)
	c.vaultAuth(at+".auth", &o.Auth)
	if (o.CertFile == "") != (o.KeyFile == "") {
		c.errorf(at, "set both or neither", "cert_file and key_file belong together")
	}
	for field, value := range map[string]string{".mount": o.Mount, ".field": o.Field} {
		if c.good(at+field) && strings.Trim(value, "/") == "" {
			c.errorf(at+field, "", "is empty")
		}
	}
}

func (c *checker) vaultAuth(at string, o *VaultAuth) {
	if !c.good(at, at+".token_file", at+".approle", at+".kubernetes") {
		return
	}
	ways := 0
	for _, set := range []bool{o.TokenFile != "", o.AppRole != nil, o.Kubernetes != nil} {
		if set {
			ways++
		}
	}
	if ways != 1 {
		c.errorf(at, "write exactly one of token_file, approle and kubernetes", "has %d ways to log in", ways)
	}
	c.absolute(at+".token_file", o.TokenFile)
	if o.Kubernetes != nil {
		c.absolute(at+".kubernetes.jwt_file", o.Kubernetes.JWTFile)
	}
}

func (c *checker) file(at string, o *File) {
	c.location(at+".path", o.Path)
	c.fileRoot(at, o)
	c.fileModes(at, o)
	if c.good(at+".field") && !validLabel.MatchString(o.Field) {
		c.errorf(at+".field", "use a-z, A-Z, 0-9 and underscore, and do not begin with a digit", "is not a name that a variable can have")
	}
	if !c.good(at+".format", at+".template") {
		return
	}
	switch {
	case o.Format == "template" && o.Template == "":
		c.errorf(at+".template", "write the text of the file, with {{.Secret}} where the secret goes", "is missing, and format is template")
	case o.Format != "template" && o.Template != "":
		c.errorf(at+".format", `write "template", or leave template out`, "is %s, so template is not used", o.Format)
	case o.Format == "template":
		c.template(at+".template", o.Template, fileSample)
	}
}

// fileRoot fills root in where it was left out, and checks that every path lies below it.
func (c *checker) fileRoot(at string, o *File) {
	if !c.good(at+".path", at+".root") {
		return
	}
	if !filepath.IsAbs(o.Path) {
		c.errorf(at+".path", "write a path that begins with /", "is not the absolute path of a file")
		return
	}
	literal, _, _ := strings.Cut(o.Path, "{{")
	folder := path.Clean(literal[:strings.LastIndex(literal, "/")+1])
	switch {
	case o.Root == "" && folder == "/":
		c.errorf(at+".path", "begin it with a folder, or set root", "would let the name of a service user choose any folder of the machine")
	case o.Root == "":
		o.Root = folder
	case !filepath.IsAbs(o.Root) || path.Clean(o.Root) == "/":
		c.errorf(at+".root", "write a folder such as /var/lib/keys", "is not the absolute path of a folder below /")
	case folder != path.Clean(o.Root) && !strings.HasPrefix(folder, path.Clean(o.Root)+"/"):
		c.errorf(at+".path", "begin it with "+o.Root, "leads out of root")
	}
}

func (c *checker) fileModes(at string, o *File) {
	if c.good(at+".mode") && o.Mode&0o007 != 0 {
		c.warnf(at+".mode", `write "0640" and set group, or "0600"`, "%s lets every user of this machine reach the secret", o.Mode)
	}
	if c.good(at+".mode") && o.Mode&0o400 == 0 {
		c.errorf(at+".mode", `write "0600" or "0640"`, "%s would keep the daemon from reading back what it delivered", o.Mode)
	}
	if c.good(at+".dir_mode") && o.DirMode&0o700 != 0o700 {
		c.errorf(at+".dir_mode", `write "0750" or "0700"`, "%s would keep the daemon out of the folder", o.DirMode)
	}
}
