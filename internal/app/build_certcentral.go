package app

import (
	"time"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/providers/certcentral"
	"github.com/rotatord/rotatord/rotator"
)

func (b *builder) certcentral(name string, c *config.CertCentral) (rotator.Provider, error) {
	transport, err := newTransport(c.CAFile)
	if err != nil {
		return nil, err
	}
	rates := make([]certcentral.Rate, 0, len(c.Rates))
	for _, r := range c.Rates {
		rates = append(rates, certcentral.Rate{Requests: r.Requests, Per: time.Duration(r.Per)})
	}
	o := certcentral.Options{
		BaseURL: c.BaseURL, Key: c.APIKey.Resolve, ContainerID: c.ContainerID, AllUsers: c.AllUsers, PageSize: c.PageSize,
		Rates: rates, MaxKeysPerUser: c.MaxKeysPerUser, MaxNameLength: c.MaxNameLength, Propagation: time.Duration(c.Propagation),
		Timeout: time.Duration(c.Timeout), Transport: transport, UserAgent: b.userAgent,
		Observe: b.observed(name),
	}
	if c.ServiceUsersPath != defaultServiceUsers {
		o.ServiceUsersPath = c.ServiceUsersPath
	}
	if c.RestrictedToRoleID != 0 {
		o.RestrictedToRoleID = &c.RestrictedToRoleID
	}
	return certcentral.New(o)
}

// defaultServiceUsers is left to the provider, which tries the older path where the server does not have this one.
const defaultServiceUsers = "/user/api-only"
