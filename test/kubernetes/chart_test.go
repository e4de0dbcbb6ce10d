package kubernetes

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/rotatord/rotatord/config"
)

// chart is what is tested, seen from here.
const chart = "../../deploy/kubernetes/rotatord"

// kubeVersion is what the chart is rendered for; it is the version of the API server in test/servers.
const kubeVersion = "1.36.3"

// settings are the files of values to render with: the least that is needed, and everything that can be switched on.
var settings = []string{"file", "replicas"}

// object is anything that Kubernetes keeps.
type object map[string]any

// at returns what is below the keys, nil if there is nothing.
func (o object) at(keys ...string) any {
	var v any = map[string]any(o)
	for _, key := range keys {
		m, _ := v.(map[string]any) // nil has no keys
		v = m[key]
	}
	return v
}

func (o object) kind() string { s, _ := o["kind"].(string); return s }
func (o object) name() string { s, _ := o.at("metadata", "name").(string); return s }

var helmPath = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("../servers/build", "helm").Output()
	return strings.TrimSpace(string(out)), err
})

// helm runs helm away from whatever the user has set up, and returns what it printed.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	path, err := helmPath()
	if err != nil {
		t.Fatalf("there is no helm: %v\nmake it with: test/servers/build helm", err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", errors.Join(err, errors.New(errs.String()), errors.New(out.String()))
	}
	return out.String(), nil
}

func render(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return helm(t, append([]string{"template", "rotatord", chart, "--kube-version", kubeVersion, "--namespace", "rotatord"}, args...)...)
}

func values(name string) string { return filepath.Join("testdata", name+".yaml") }

// rendered returns the objects that the chart makes of a file of values.
func rendered(t *testing.T, name string) []object {
	t.Helper()
	text, err := render(t, "--values", values(name))
	if err != nil {
		t.Fatal(err)
	}
	var all []object
	for d := yaml.NewDecoder(strings.NewReader(text)); ; {
		o := map[string]any{}
		err := d.Decode(&o)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("what the chart makes of %s is not YAML: %v\n%s", values(name), err, text)
		}
		if len(o) > 0 {
			all = append(all, o)
		}
	}
}

func only(t *testing.T, all []object, kind string) object {
	t.Helper()
	found := slices.DeleteFunc(slices.Clone(all), func(o object) bool { return o.kind() != kind })
	if len(found) != 1 {
		t.Fatalf("there are %d objects of kind %s, want 1", len(found), kind)
	}
	return found[0]
}

func TestChartPassesLint(t *testing.T) {
	for _, name := range settings {
		if out, err := helm(t, "lint", "--strict", "--kube-version", kubeVersion, "--values", values(name), chart); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func TestChartMakesWhatIsAskedFor(t *testing.T) {
	always := []string{"ConfigMap", "NetworkPolicy", "Service", "ServiceAccount"}
	for name, more := range map[string][]string{
		"file":     {"StatefulSet"},
		"replicas": {"ClusterRoleBinding", "Deployment", "PodDisruptionBudget", "PrometheusRule", "ServiceMonitor"},
	} {
		var got []string
		for _, o := range rendered(t, name) {
			got = append(got, o.kind())
		}
		want := slices.Concat(always, more)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: made %v, want %v", name, got, want)
		}
	}
}

// TestChartRefuses has a case for everything that would start and then harm, or never start.
func TestChartRefuses(t *testing.T) {
	for _, c := range []struct{ name, values, set, says string }{
		{"replicas that share a file", "file", "replicas=2", "replicas share a journal in PostgreSQL only"},
		{"replicas that write files", "replicas", `config.sinks[0].type=file`, "writes files, which only a single replica may"},
		{"an address that no probe reaches", "file", "config.server.listen=127.0.0.1:9650", "which neither the kubelet's probes nor Prometheus can reach"},
		{"a port that is not the container's", "file", "config.server.listen=0.0.0.0:8080", "the container's port is 9650"},
		{"a value that does not exist", "file", "replica=2", "additional properties 'replica' not allowed"},
		{"no replica", "file", "replicas=0", "minimum: got 0, want 1"},
		{"a configuration without policies", "file", "config.policies=null", "at '/config/policies': got null, want array"},
		{"a digest that is none", "file", "image.digest=latest", "does not match pattern"},
		{"a folder that several nodes write", "file", "persistence.accessModes={ReadWriteMany}", "value must be one of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := render(t, "--values", values(c.values), "--set", c.set); err == nil {
				t.Error("it was taken")
			} else if !strings.Contains(err.Error(), c.says) {
				t.Errorf("it was refused with other words than %q:\n%v", c.says, err)
			}
		})
	}
	if _, err := render(t); err == nil {
		t.Error("a chart without providers, sinks and policies was taken")
	}
}

func TestConfigurationInTheChartIsAccepted(t *testing.T) {
	for _, name := range settings {
		all := rendered(t, name)
		text, _ := only(t, all, "ConfigMap").at("data", "rotatord.yaml").(string)
		cfg, err := config.Parse(name, []byte(text))
		if err != nil {
			t.Errorf("%v\n%s", err, text)
			continue
		}
		// The values of the file journal have no web config file, of which the chart's notes tell.
		for _, w := range cfg.Warnings {
			if name != "file" || w.Path != "server.listen" {
				t.Errorf("%s: warning: %s", name, w)
			}
		}
		for _, file := range filesIn(t, text) {
			if !mounted(pod(t, all), file) {
				t.Errorf("%s: the configuration reads %s, which is not below any mount of the pod", name, file)
			}
		}
	}
}

// filesIn lists the values of a configuration that are paths of files to read or to write.
func filesIn(t *testing.T, text string) []string {
	t.Helper()
	var tree any
	if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatal(err)
	}
	var found []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, inner := range v {
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		case string:
			if strings.HasPrefix(v, "/") {
				found = append(found, v)
			}
		}
	}
	walk(tree)
	if len(found) < 3 {
		t.Errorf("only %v are paths of files: this test looks at the wrong place", found)
	}
	return found
}

// pod is the specification of the pod that the chart makes.
func pod(t *testing.T, all []object) object {
	t.Helper()
	for _, o := range all {
		if spec, ok := o.at("spec", "template", "spec").(map[string]any); ok {
			return spec
		}
	}
	t.Fatal("the chart makes no pod")
	return nil
}

func container(pod object) object {
	containers, _ := pod["containers"].([]any) // at needs none
	if len(containers) != 1 {
		return nil
	}
	c, _ := containers[0].(map[string]any) // as above
	return c
}

func mounted(pod object, file string) bool {
	mounts, _ := container(pod)["volumeMounts"].([]any) // none mounts nothing
	return slices.ContainsFunc(mounts, func(m any) bool {
		mount, _ := m.(map[string]any)         // as above
		path, _ := mount["mountPath"].(string) // as above
		return path != "" && strings.HasPrefix(file, path+"/")
	})
}

// TestMonitoringFitsTheService holds what the Prometheus operator is told to what is there: it reports nothing that it does
// not find.
func TestMonitoringFitsTheService(t *testing.T) {
	all := rendered(t, "replicas")
	service, monitor := only(t, all, "Service"), only(t, all, "ServiceMonitor")
	wanted, _ := monitor.at("spec", "selector", "matchLabels").(map[string]any) // checked below
	labels, _ := service.at("metadata", "labels").(map[string]any)              // as above
	for key, value := range wanted {
		if labels[key] != value {
			t.Errorf("the monitor looks for %s=%v, and the service has %v", key, value, labels[key])
		}
	}
	ports, _ := json.Marshal(service.at("spec", "ports"))
	endpoints, _ := json.Marshal(monitor.at("spec", "endpoints"))
	if len(wanted) == 0 || !bytes.Contains(ports, []byte(`"name":"http"`)) || !bytes.Contains(endpoints, []byte(`"port":"http"`)) ||
		!bytes.Contains(endpoints, []byte(`"scheme":"https"`)) {
		t.Errorf("the monitor does not fit:\n%s\n%s\n%v", ports, endpoints, wanted)
	}
}
