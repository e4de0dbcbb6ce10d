package app

import (
	"time"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/providers/dataspot"
	"github.com/rotatord/rotatord/rotator"
)

func (b *builder) dataspot(name string, c *config.Dataspot) (rotator.Provider, error) {
	transport, err := newTransport(c.CAFile)
	if err != nil {
		return nil, err
	}
	o := dataspot.Options{
		Name: name, BaseURL: c.BaseURL, Database: c.Database, Tenant: c.Tenant, Key: c.AccessKey.Resolve, Front: dataspotFront(&c.Auth),
		AccessKeyHeader: c.AccessKeyHeader, TenantHeader: c.TenantHeader, ProbePath: c.ProbePath, TypeName: c.TypeName, ListsKeys: c.ListsKeys,
		CreateKeys: dataspot.WriteMethod(c.CreateKeys), ThrowawayUser: c.ThrowawayUser, ClientValues: c.ClientValues, ExpiryTime: c.ExpiryTime,
		MaxNameLength: c.MaxNameLength, NameCharacters: c.NameCharacters, MaxKeysPerUser: c.MaxKeysPerUser,
		Propagation: time.Duration(c.Propagation), Timeout: time.Duration(c.Timeout), Transport: transport, UserAgent: b.userAgent,
		Observe: b.observed(name),
	}
	for _, r := range c.Rates {
		o.Rates = append(o.Rates, dataspot.Rate{Requests: r.Requests, Per: time.Duration(r.Per)})
	}
	for _, k := range c.Keys {
		o.Keys = append(o.Keys, dataspot.DeclaredKey{User: k.User, Name: k.Name, Created: k.Created.Start(), Expires: k.Expires.LastAt(c.ExpiryTime)})
	}
	p, err := dataspot.New(o)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func dataspotFront(c *config.DataspotAuth) dataspot.Front {
	var f dataspot.Front
	if a := c.Basic; a != nil {
		f.Basic = &dataspot.Basic{User: a.User, Password: a.Password.Resolve}
	}
	if a := c.OAuth2; a != nil {
		f.OAuth2 = &dataspot.OAuth2{
			TokenURL: a.TokenURL, ClientID: a.ClientID, ClientSecret: a.ClientSecret.Resolve, Scope: a.Scope, InForm: a.ClientAuth == "form",
		}
	}
	return f
}
