package compose

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/test/daemon"
)

// folder is what is tested, seen from here.
const folder = "../../deploy/compose"

func TestMain(m *testing.M) { daemon.Main(m) }

// project is what matters here of a compose file.
type project struct {
	Services map[string]service `json:"services"`
	Configs  map[string]struct {
		File    string `json:"file"`
		Content string `json:"content"`
	} `json:"configs"`
}

type service struct {
	Image       string            `json:"image"`
	Command     []string          `json:"command"`
	Environment map[string]string `json:"environment"`
	NetworkMode string            `json:"network_mode"`
	ReadOnly    bool              `json:"read_only"`
	Ports       []struct {
		HostIP string `json:"host_ip"`
	} `json:"ports"`
	Volumes []struct {
		Type   string `json:"type"`
		Source string `json:"source"`
		Target string `json:"target"`
	} `json:"volumes"`
	Configs []struct {
		Source string `json:"source"`
		Target string `json:"target"`
		Mode   string `json:"mode"`
	} `json:"configs"`
}

func built(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "../servers/build", name).Output()
	if err != nil {
		t.Fatalf("there is no %s: %v\nmake it with: test/servers/build %s", name, err, name)
	}
	return strings.TrimSpace(string(out))
}

// read has the specification's own library read the file.
func read(t *testing.T) project {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), built(t, "compose"), filepath.Join(folder, "compose.yaml")).Output()
	if err != nil {
		t.Fatalf("compose.yaml is not as the specification has it: %v", err)
	}
	var p project
	if err := json.Unmarshal(out, &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Services) < 5 {
		t.Fatalf("there are only %d services: %s", len(p.Services), out)
	}
	return p
}

func TestComposeFileIsCareful(t *testing.T) {
	p := read(t)
	pinned := regexp.MustCompile(`^[a-z./]+:v?[0-9]+\.[0-9]+\.[0-9]+$`)
	for name, s := range p.Services {
		if s.Image != "rotatord" && !pinned.MatchString(s.Image) {
			t.Errorf("%s: the image %s has no fixed version", name, s.Image)
		}
		if s.Image == "rotatord" && !s.ReadOnly {
			t.Errorf("%s may write to its root", name)
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s is published on %q, not on this machine alone", name, port.HostIP)
			}
		}
	}
	for _, c := range p.Configs {
		if c.File == "" && c.Content == "" {
			t.Error("a config is empty")
		}
	}
}

// TestConfigurationIsAccepted knows the two warnings that a try-out deserves.
func TestConfigurationIsAccepted(t *testing.T) {
	cfg, err := config.Load(filepath.Join(folder, "rotatord.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range cfg.Warnings {
		if w.Path != "server.listen" && w.Path != "providers[0].api_key" {
			t.Errorf("warning: %s", w)
		}
	}
}
