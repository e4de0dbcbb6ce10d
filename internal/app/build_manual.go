package app

import (
	"time"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/providers/manual"
	"github.com/rotatord/rotatord/rotator"
)

func (b *builder) manual(name string, c *config.Manual) (rotator.Provider, error) {
	o := manual.Options{Name: name, Make: c.Make, Remove: c.Remove, UserAgent: b.userAgent, Observe: b.observed(name)}
	for _, k := range c.Keys {
		o.Keys = append(o.Keys, manual.Key{User: k.User, Name: k.Name, Created: k.Created.Start(), Expires: k.Expires.Last(), Owner: k.Owner})
	}
	if c.Probe != nil {
		transport, err := newTransport(c.Probe.CAFile)
		if err != nil {
			return nil, err
		}
		o.Transport = transport
		o.Probe = &manual.Probe{
			URL: c.Probe.URL, Method: c.Probe.Method, Header: c.Probe.Header, Prefix: c.Probe.Prefix, Expect: c.Probe.Expect, Refuse: c.Probe.Refuse,
			Timeout: time.Duration(c.Probe.Timeout),
		}
	}
	p, err := manual.New(o)
	if err != nil {
		return nil, err
	}
	return p, nil
}
