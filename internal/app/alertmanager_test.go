package app

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// TestAlertmanagerIsToldWhatNeedsAPerson: a provider that does not let the daemon in.
func TestAlertmanagerIsToldWhatNeedsAPerson(t *testing.T) {
	var mu sync.Mutex
	told := ""
	am := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		told = string(body)
	}))
	defer am.Close()
	w := newWorld(t)
	w.configure(strings.Replace(usual, `base_url: "BASE"`, `labels: {team: pki, alertname: hijacked}, base_url: "http://127.0.0.1:1"`, 1) + `
notifications:
  alertmanager: {urls: ["` + am.URL + `"], every: 1s, labels: {cluster: eu}, page_url: "https://keys.example.com"}
`)
	r := w.run()
	await(t, "the alert", func() error {
		mu.Lock()
		defer mu.Unlock()
		for _, part := range []string{`"alertname":"RotatordNeedsPerson"`, `"reason":"scan_failed"`, `"provider":"certcentral"`, `"team":"pki"`,
			`"cluster":"eu"`, `"do":"`, `"generatorURL":"https://keys.example.com"`, `"alertname":"RotatordWatchdog"`} {
			if err := want(strings.Contains(told, part), "no %s in %s", part, told); err != nil {
				return err
			}
		}
		return nil
	})
	if r.metric(`rotatord_alertmanager_pushes_total{result="sent"}`) == 0 {
		t.Error("no push is counted")
	}
}
