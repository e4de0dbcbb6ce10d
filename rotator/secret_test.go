package rotator

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

const planted = "PLANTED-d34db33f-secret"

func TestSecretIsMaskedByEveryFormatter(t *testing.T) {
	s := SecretString(planted)
	type hidden struct {
		inner Secret
		ptr   *Secret
		many  []Secret
	}
	h := hidden{inner: s, ptr: &s, many: []Secret{s}}
	prints := map[string]string{
		"json": mustJSON(t, map[string]any{"s": s, "p": &s}),
		"xml":  mustXML(t, s),
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		prints["secret "+verb] = fmt.Sprintf(verb, s)
		prints["pointer "+verb] = fmt.Sprintf(verb, &s)
		prints["unexported field "+verb] = fmt.Sprintf(verb, h)
		prints["delivery "+verb] = fmt.Sprintf(verb, Delivery{Secret: s})
		prints["minted "+verb] = fmt.Sprintf(verb, Minted{Secret: s})
	}
	core, logs := observer.New(zapcore.DebugLevel)
	zap.New(core).Info("x", zap.Any("secret", s), zap.Any("delivery", Delivery{Secret: s}), zap.Stringer("str", s))
	prints["zap"] = zapJSON(t, logs.All()[0])
	for where, text := range prints {
		for _, leak := range []string{planted, fmt.Sprintf("%x", planted), fmt.Sprint([]byte(planted)), "PLANTED"} {
			if strings.Contains(text, leak) {
				t.Errorf("%s leaks the secret: %s", where, text)
			}
		}
	}
}

func zapJSON(t *testing.T, e observer.LoggedEntry) string {
	t.Helper()
	buf, err := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()).EncodeEntry(e.Entry, e.Context)
	if err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func mustXML(t *testing.T, v any) string {
	t.Helper()
	b, err := xml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSecretEqualAndWipe(t *testing.T) {
	s := SecretString(planted)
	copied := s
	if !s.Equal(SecretString(planted)) || s.Equal(SecretString("other")) || s.Equal(Secret{}) {
		t.Error("Equal is wrong")
	}
	if !(Secret{}).Empty() || s.Empty() {
		t.Error("Empty is wrong")
	}
	copied.Wipe()
	if s.Equal(SecretString(planted)) || strings.Trim(string(s.Reveal()), "\x00") != "" {
		t.Error("Wipe left the value behind in a copy")
	}
}

func TestFaultKinds(t *testing.T) {
	wrapped := fmt.Errorf("outer: %w", NewFault("GET /key", Throttled, "slow down"))
	tests := []struct {
		name        string
		err         error
		kind, write Kind
	}{
		{"a fault", wrapped, Throttled, Throttled},
		{"unclassified", errors.New("boom"), Transient, UnknownOutcome},
		{"transient write", NewFault("POST", Transient, "x"), Transient, UnknownOutcome},
		{"denied write", NewFault("POST", Denied, "x"), Denied, Denied},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := KindOf(tt.err); got != tt.kind {
				t.Errorf("KindOf = %s, want %s", got, tt.kind)
			}
			if got := WriteKindOf(tt.err); got != tt.write {
				t.Errorf("WriteKindOf = %s, want %s", got, tt.write)
			}
		})
	}
	if got := wrapped.Error(); got != "outer: GET /key: slow down (throttled)" {
		t.Errorf("Error() = %q", got)
	}
}
