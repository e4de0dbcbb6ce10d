package app

import (
	"time"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/providers/digicertone"
	"github.com/rotatord/rotatord/rotator"
)

func (b *builder) digicertone(name string, c *config.DigiCertOne) (rotator.Provider, error) {
	transport, err := newTransport(c.CAFile)
	if err != nil {
		return nil, err
	}
	rates := make([]digicertone.Rate, 0, len(c.Rates))
	for _, r := range c.Rates {
		rates = append(rates, digicertone.Rate{Requests: r.Requests, Per: time.Duration(r.Per)})
	}
	o := digicertone.Options{
		BaseURL: c.BaseURL, APIPath: c.APIPath, Mode: digicertone.Mode(c.Mode),
		ClientCertFile: c.ClientCertFile, ClientKeyFile: c.ClientKeyFile, SendKeyWithCertificate: c.SendKeyWithCertificate,
		UpdateStyle: digicertone.UpdateStyle(c.UpdateStyle), SwitchUsersByStatus: c.SwitchUsersByStatus,
		Fields: digicertone.Fields(c.Fields), Statuses: digicertone.Statuses(c.Statuses), Paths: digicertone.Paths(c.Paths),
		AccountID: c.AccountID, PageSize: c.PageSize, UnicodeNames: c.UnicodeNames,
		Rates: rates, MaxKeysPerUser: c.MaxKeysPerUser, MaxNameLength: c.MaxNameLength, Propagation: time.Duration(c.Propagation),
		Timeout: time.Duration(c.Timeout), Transport: transport, UserAgent: b.userAgent, Observe: b.observed(name),
	}
	if !c.APIKey.IsZero() {
		o.Key = c.APIKey.Resolve
	}
	return digicertone.New(o)
}
