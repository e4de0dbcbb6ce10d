package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// planted stands in the place of a secret in every text that the fuzzer makes.
const planted = "PlantedS3cr3t"

// FuzzParse looks for a text that makes Parse panic, accept and refuse at once, or repeat a secret.
func FuzzParse(f *testing.F) {
	example, err := os.ReadFile(filepath.Join("..", "deploy", "rotatord.example.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(example))
	f.Add(base)
	for _, tail := range []string{
		"    base_url: https://x\nsinks: []", "    api_key_env: *x", "<<: *a", "    rates: [{requests: 1, per: 1x}]", ": : {", "\t- a", "&a [*a]",
		"    continued", "policies: [{name: a, window: {cron: 'TZ=0', for: 1h}}]", "freezes: [{from: 2026-13-01}]",
		"sinks: [{name: a, type: file, path: '/a/{{if .X}}'}]", "%YAML 1.1", "? [a, b]\n: c",
	} {
		f.Add(tail)
	}
	f.Fuzz(func(t *testing.T, tail string) {
		if strings.Contains(tail, planted) {
			return
		}
		for _, form := range []string{"api_key", "api_key_file", "api_key_env"} {
			text := fmt.Sprintf("providers:\n  - type: certcentral\n    %s: %s\n%s", form, planted, tail)
			checkParse(t, text)
		}
		checkParse(t, tail)
	})
}

func checkParse(t *testing.T, text string) {
	t.Helper()
	cfg, err := Parse("fuzz.yaml", []byte(text))
	if (cfg == nil) == (err == nil) {
		t.Fatalf("a configuration and an error, or neither: %v", err)
	}
	if err != nil && strings.Contains(err.Error(), planted) {
		t.Errorf("the error repeats the secret: %v", err)
	}
	if cfg != nil && strings.Contains(fmt.Sprintf("%v %+v %v", cfg.Warnings, *cfg, cfg.Providers), planted) {
		t.Error("the configuration prints the secret")
	}
}

// TestSecretsInTheWrongPlaceAreNotRepeated holds the mistakes that people make with a secret in their hands.
func TestSecretsInTheWrongPlaceAreNotRepeated(t *testing.T) {
	for name, line := range map[string]string{
		"as a file":               "    api_key_file: " + planted,
		"as a variable":           "    api_key_env: " + planted,
		"as an alias":             "    api_key: *" + planted,
		"as an anchor":            "    api_key: &" + planted + "\n    api_key_env: *x",
		"as a tag":                "    api_key: !" + planted + " x",
		"as a tag with a handle":  "    api_key: !a!" + planted + " x",
		"as the name of a field":  "    " + planted + ":",
		"as a field with a value": "    " + planted + ": x",
		"behind a comma":          "    options: {api_key: a," + planted + "}",
		"under the field":         "    api_key:\n      " + planted + ": x",
		"as a list":               "    api_key: [" + planted + "]",
		"in the address":          "    base_url: https://user:" + planted + "@host\n    api_key_env: X",
		"as a query":              "    base_url: https://host?key=" + planted,
		"as a switch":             "    all_users: " + planted,
		"as a number":             "    page_size: " + planted,
		"as the type":             "    type: " + planted,
		"with a bad escape":       "    api_key: \"" + planted + "\\q\"",
		"without an end":          "    api_key: \"" + planted,
		"twice":                   "    api_key: " + planted + "\n    api_key: " + planted,
		"with a colon":            "    api_key: " + planted + ": x",
		"in both forms":           "    api_key: " + planted + "\n    api_key_file: " + planted,
	} {
		t.Run(name, func(t *testing.T) {
			text := edited(t, "    api_key_file: /etc/cc.key", line)
			_, err := Parse("r.yaml", []byte(text))
			if err == nil {
				t.Fatal("accepted")
			}
			if strings.Contains(err.Error(), planted) {
				t.Errorf("the error repeats the secret: %v", err)
			}
		})
	}
}
