// Package outbound holds the rules that every connection of the product obeys, whoever makes it: which addresses are never
// connected to, how long and how large things may be, and which TLS is spoken. It decides on addresses, not on names: a name
// is looked up first, so that one which leads to another place tomorrow is refused tomorrow.
//
// What may be connected to is the operator's to say, in the configuration; no provider, sink or answer adds to it. Only
// addresses where no system of ours can be, and where a cloud hands credentials to whoever asks, are refused always.
package outbound

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"
)

const (
	// MaxHeader bounds the header of an answer, in bytes; net/http's own bound is 10 MiB.
	MaxHeader = 256 << 10
	// connectTime bounds a connection's being made, where nobody says otherwise.
	connectTime = 30 * time.Second
	// handshakeTime bounds a TLS handshake.
	handshakeTime = 10 * time.Second
	// idleTime is how long an unused connection is kept.
	idleTime = 90 * time.Second
)

// metadata are the addresses outside of the link-local ranges where clouds answer with the credentials of the machine: EC2 over
// IPv6, Alibaba, Azure's host, Oracle's.
var metadata = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"),
	netip.MustParseAddr("100.100.100.200"),
	netip.MustParseAddr("168.63.129.16"),
	netip.MustParseAddr("192.0.0.192"),
}

// broadcast is every machine of a network.
var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// translated is the prefix under which IPv6 networks reach IPv4 addresses (RFC 6052); the last four bytes are the address.
var translated = netip.MustParsePrefix("64:ff9b::/96")

// RefusedError says which address nothing is sent to, and why. Nothing was.
type RefusedError struct {
	Address netip.Addr
	Why     string
}

// Error says what to look at.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s is %s; nothing is sent there, so look at the address in the configuration, and at what its name leads to", e.Address, e.Why)
}

// Refused says why nothing is sent to the address, as a [*RefusedError], or nil. Loopback and private networks are fine: Vault is
// there.
func Refused(a netip.Addr) error {
	a = a.Unmap().WithZone("")
	if translated.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	switch {
	case slices.Contains(metadata, a):
		return &RefusedError{a, "where a cloud hands out the machine's own credentials"}
	case a.IsLinkLocalUnicast():
		return &RefusedError{a, "a link-local address, where clouds hand out the machine's own credentials"}
	case a.IsMulticast() || a.IsUnspecified() || a == broadcast:
		return &RefusedError{a, "not the address of one server"}
	}
	return nil
}

// control is called by the dialer with the address that a name led to, before anything is sent.
func control(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("the address %q cannot be read: %w", address, err)
	}
	return Refused(at.Addr())
}

// Dialer returns a dialer that connects to no address that is [Refused]. The timeout bounds one connection's being made; 0 is 30
// seconds.
func Dialer(timeout time.Duration) *net.Dialer {
	if timeout == 0 {
		timeout = connectTime
	}
	return &net.Dialer{Timeout: timeout, KeepAlive: connectTime, Control: control}
}

// Proxy is [http.ProxyFromEnvironment], but asks no proxy for an address that is [Refused]: behind a proxy no dialer of ours sees
// it. Where a name leads there is the proxy's to judge.
func Proxy(r *http.Request) (*url.URL, error) {
	if a, err := netip.ParseAddr(r.URL.Hostname()); err == nil {
		if err := Refused(a); err != nil {
			return nil, err
		}
	}
	return http.ProxyFromEnvironment(r)
}

// Transport returns a new transport that keeps the rules of this package. A nil trust is the system's certificates and TLS from 1.2
// on; one that is given is used as it is.
func Transport(trust *tls.Config) *http.Transport {
	if trust == nil {
		trust = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return &http.Transport{
		Proxy: Proxy, DialContext: Dialer(0).DialContext, TLSClientConfig: trust, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: handshakeTime, IdleConnTimeout: idleTime, MaxIdleConns: 100, ExpectContinueTimeout: time.Second,
		MaxResponseHeaderBytes: MaxHeader,
	}
}

// NoRedirect is the CheckRedirect of every client: what it sends is for one host, so it goes nowhere else. The caller gets the
// redirecting answer itself.
func NoRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
