package rest

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// CheckBaseURL reads the root of an API: https, or http on a loopback host, without user, query and fragment. A slash at
// its end is dropped. The error shows example, and never a password.
func CheckBaseURL(text, example string) (*url.URL, error) {
	base, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the base URL cannot be read; write one such as %s", example)
	case (base.Scheme != "https" && base.Scheme != "http") || base.Host == "":
		return nil, fmt.Errorf("the base URL %q is not complete; write one such as %s", base.Redacted(), example)
	case base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return nil, fmt.Errorf("the base URL of %s must have no user, query or fragment", base.Host)
	case base.Scheme == "http" && !loopback(base.Hostname()):
		return nil, fmt.Errorf("the base URL of %s would send keys over the network unencrypted; write https://", base.Host)
	}
	base.Path, base.RawPath = strings.TrimSuffix(base.Path, "/"), strings.TrimSuffix(base.RawPath, "/")
	return base, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
