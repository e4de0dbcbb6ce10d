package web_test

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"strings"
	"testing"
)

// settings reads what a server of HTTP/2 says of its limits, in its first frame (RFC 9113, sections 4.1 and 6.5).
func settings(t *testing.T, conn io.ReadWriter) map[uint16]uint32 {
	t.Helper()
	if _, err := io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 9)
	if _, err := io.ReadFull(conn, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	if _, err := io.ReadFull(conn, body); err != nil || head[3] != 4 {
		t.Fatalf("the first frame is of type %d, %v", head[3], err)
	}
	said := map[uint16]uint32{}
	for ; len(body) >= 6; body = body[6:] {
		said[binary.BigEndian.Uint16(body)] = binary.BigEndian.Uint32(body[2:])
	}
	return said
}

func TestHTTP2IsBounded(t *testing.T) {
	a := newAuthority(t)
	s := a.serveTLS("VerifyClientCertIfGiven")
	trust := a.trust()
	trust.NextProtos = []string{"h2"}
	conn, err := tls.Dial("tcp", strings.TrimPrefix(s.url, "https://"), trust)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if got := conn.ConnectionState().NegotiatedProtocol; got != "h2" {
		t.Fatalf("speaks %q", got)
	}
	const streams, headers = 3, 6 // SETTINGS_MAX_CONCURRENT_STREAMS, SETTINGS_MAX_HEADER_LIST_SIZE
	said := settings(t, conn)
	if said[streams] == 0 || said[streams] > 64 {
		t.Errorf("takes %d requests at once on one connection", said[streams])
	}
	if said[headers] == 0 || said[headers] > 80<<10 {
		t.Errorf("takes headers of %d bytes", said[headers])
	}
}

// A client that offers nothing newer than TLS 1.1 is turned away.
func TestOldClientsAreTurnedAway(t *testing.T) {
	a := newAuthority(t)
	s := a.serveTLS("VerifyClientCertIfGiven")
	old := a.trust()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	conn, err := tls.Dial("tcp", strings.TrimPrefix(s.url, "https://"), old)
	if err == nil {
		_ = conn.Close()
		t.Error("TLS 1.1 was spoken")
	}
}
