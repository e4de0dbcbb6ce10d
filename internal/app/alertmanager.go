package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/notify/alertmanager"
	"github.com/rotatord/rotatord/web"
)

// newTarget is where alerts are told; nil for nowhere.
func newTarget(n *config.Notifications) (*alertmanager.Target, error) {
	if n == nil || n.Alertmanager == nil {
		return nil, nil
	}
	m := n.Alertmanager
	pool, err := trusted(m.CAFile)
	if err != nil {
		return nil, fmt.Errorf("notifications.alertmanager: %w", err)
	}
	return &alertmanager.Target{URLs: m.URLs, Every: time.Duration(m.Every), Labels: m.Labels, Page: m.PageURL,
		Username: m.Username, Password: m.Password.Resolve, RootCAs: pool}, nil
}

// alerts are what needs a person, with the labels of the provider that it is about.
func (a *App) alerts(ctx context.Context) ([]alertmanager.Alert, error) {
	items, err := a.server.Attention(ctx)
	if err != nil {
		return nil, err
	}
	labels := map[string]map[string]string{}
	for _, p := range a.config.Load().Providers {
		labels[p.Name] = p.Labels
	}
	all := make([]alertmanager.Alert, 0, len(items))
	for _, i := range items {
		all = append(all, alertOf(i, labels))
	}
	return all, nil
}

func alertOf(i web.Item, labels map[string]map[string]string) alertmanager.Alert {
	provider, _, _ := strings.Cut(i.What, "/")
	own := map[string]string{}
	if !slices.Contains([]string{"journal", "hook", "incident"}, i.About) {
		maps.Copy(own, labels[provider])
		own["provider"] = provider
	}
	own["alertname"], own["about"], own["what"], own["reason"] = "RotatordNeedsPerson", i.About, i.What, i.Reason
	return alertmanager.Alert{Labels: own, Since: i.Since, Annotations: map[string]string{
		"summary": fmt.Sprintf("%s: %s", i.What, strings.ReplaceAll(i.Reason, "_", " ")), "description": i.Why, "do": i.Do,
	}}
}
