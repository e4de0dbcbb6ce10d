package outbound

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestMetadataAddressesAreRefused(t *testing.T) {
	for address, refused := range map[string]bool{
		"169.254.169.254": true, "169.254.170.2": true, "169.254.0.1": true, "fe80::1%eth0": true, "::ffff:169.254.169.254": true,
		"64:ff9b::a9fe:a9fe": true, "fd00:ec2::254": true, "100.100.100.200": true, "168.63.129.16": true, "192.0.0.192": true,
		"0.0.0.0": true, "::": true, "224.0.0.1": true, "ff02::1": true, "255.255.255.255": true,
		"127.0.0.1": false, "::1": false, "::ffff:127.0.0.1": false, "10.0.0.1": false, "192.168.1.1": false, "172.16.0.1": false, "fd00::1": false, "64:ff9b::808:808": false,
		"203.0.113.7": false, "2001:db8::1": false,
	} {
		if err := Refused(netip.MustParseAddr(address)); (err != nil) != refused {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestDialerRefusesBeforeItConnects(t *testing.T) {
	for _, address := range []string{"169.254.169.254:80", "[::ffff:169.254.169.254]:80", "[fd00:ec2::254]:80", "0.0.0.0:80"} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		conn, err := Dialer(0).DialContext(ctx, "tcp", address)
		cancel()
		if err == nil {
			_ = conn.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "configuration") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestDialerSeesWhatANameLeadsTo(t *testing.T) {
	answered := errors.New("no such name")
	d := Dialer(0)
	d.Resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, answered }}
	if _, err := d.DialContext(t.Context(), "tcp", "rebound.example:80"); err == nil || strings.Contains(err.Error(), "link-local") {
		t.Fatalf("a name that leads nowhere: %v", err)
	}
	for _, resolved := range []string{"169.254.169.254:443", "[fe80::1%lo]:443"} { // what net hands to Control after a look-up
		if err := control("tcp", resolved, nil); err == nil || !strings.Contains(err.Error(), "link-local") {
			t.Errorf("%s: %v", resolved, err)
		}
	}
	if err := control("tcp", "not an address", nil); err == nil {
		t.Error("what cannot be read was let through")
	}
}

func TestLoopbackIsReached(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	transport := Transport(nil)
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport, CheckRedirect: NoRedirect}).Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
}

func TestNoProxyIsAskedForAMetadataAddress(t *testing.T) {
	for target, refused := range map[string]bool{
		"https://169.254.169.254/latest": true, "https://[fd00:ec2::254]/": true, "https://vault.example/": false, "https://10.0.0.1/": false,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Proxy(req); (err != nil) != refused {
			t.Errorf("%s: %v", target, err)
		}
	}
}

// A header without end would be held in memory whole.
func TestLongHeadersAreRefused(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 2*MaxHeader))
	}))
	defer s.Close()
	transport := Transport(nil)
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport, CheckRedirect: NoRedirect}).Get(s.URL)
	if err == nil {
		_ = res.Body.Close()
		t.Error("the answer was taken")
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = quiet(t)
	s.TLS = oldTLS()
	s.StartTLS()
	defer s.Close()
	transport := Transport(nil)
	transport.TLSClientConfig.RootCAs = s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport, CheckRedirect: NoRedirect}).Get(s.URL)
	if err == nil {
		_ = res.Body.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.1: %v", err)
	}
}
