package config

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"text/template"

	"github.com/rotatord/rotatord/sinks/pathtemplate"
)

func (c *checker) manual(path string, o *Manual) {
	things := make([]userAndName, len(o.Keys))
	owners := map[string]string{}
	for i, k := range o.Keys {
		at := fmt.Sprintf("%s.keys[%d]", path, i)
		things[i] = userAndName{k.User, k.Name}
		c.lifespan(at, k.Created, k.Expires)
		if other, known := owners[k.User]; known && other != k.Owner && k.Owner != "" && c.good(at+".owner") {
			c.errorf(at+".owner", "give all keys of a user the same owner", "is not %q, as another key of %q says", other, k.User)
		} else if k.Owner != "" {
			owners[k.User] = k.Owner
		}
	}
	c.declaredOnce(path, things)
	c.instructions(path+".make", o.Make, sample{"User": "x", "KeyName": "x", "Until": "x", "Supply": "x"})
	c.instructions(path+".remove", o.Remove, sample{"User": "x", "KeyName": "x", "Until": "x"})
	if o.Probe == nil {
		c.warnf(path, "add probe", "has no probe, so nobody can prove that a new key works: its keys are tracked, and none is taken")
		return
	}
	c.probe(path+".probe", o.Probe)
}

func (c *checker) probe(path string, o *ManualProbe) {
	c.probeURL(path+".url", o.URL)
	c.header(path+".header", o.Header)
	c.absolute(path+".ca_file", o.CAFile)
	c.timeout(path+".timeout", o.Timeout)
	if c.good(path+".prefix") && strings.ContainsFunc(o.Prefix, func(r rune) bool { return r < ' ' || r > '~' }) {
		c.errorf(path+".prefix", `write one such as "Bearer "`, "holds characters that no header takes")
	}
	if !c.good(path+".expect", path+".refuse") {
		return
	}
	if len(o.Expect) == 0 || len(o.Refuse) == 0 {
		c.errorf(path, "write at least one status in each of expect and refuse", "could not tell a good key from a bad one")
	}
	for i, status := range o.Refuse {
		if slices.Contains(o.Expect, status) {
			c.errorf(fmt.Sprintf("%s.refuse[%d]", path, i), "keep it in one of the two", "%d is expected of a good key too", status)
		}
	}
}

// probeURL is baseURL for an address that may have a query.
func (c *checker) probeURL(path, address string) {
	if !c.good(path) {
		return
	}
	if u, err := url.Parse(address); err == nil {
		u.RawQuery = ""
		address = u.String()
	}
	c.baseURL(path, address)
}

const writeKeyFields = "write fields as in {{.KeyName}}"

// instructions checks a text for people. It holds no secret.
func (c *checker) instructions(path, text string, fields sample) {
	if !c.good(path) || text == "" {
		return
	}
	parsed, err := template.New("").Funcs(pathtemplate.Functions()).Option("missingkey=error").Parse(text)
	if err != nil || parsed.Tree == nil {
		c.errorf(path, writeKeyFields, "is not a template: %s", templateMessage(err))
		return
	}
	if what, instead := refusedNode(parsed.Root, fields); what != "" {
		if instead == writeFields {
			instead = writeKeyFields
		}
		c.errorf(path, instead, "%s", what)
		return
	}
	if err := pathtemplate.Execute(io.Discard, parsed, fields, maxTemplate); err != nil {
		c.errorf(path, writeKeyFields, "cannot be rendered: %s", templateMessage(err))
	}
}
