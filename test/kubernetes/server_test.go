package kubernetes

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/test/realserver"
)

// namespace enforces the strictest of Kubernetes' pod security standards.
const namespace = `{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "rotatord",
	"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}`

// paths are where the objects of the chart are kept. What the Prometheus operator defines is unknown to the server.
var paths = map[string]string{
	"ClusterRoleBinding":  "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
	"ConfigMap":           "/api/v1/namespaces/rotatord/configmaps",
	"Deployment":          "/apis/apps/v1/namespaces/rotatord/deployments",
	"NetworkPolicy":       "/apis/networking.k8s.io/v1/namespaces/rotatord/networkpolicies",
	"Pod":                 "/api/v1/namespaces/rotatord/pods",
	"PodDisruptionBudget": "/apis/policy/v1/namespaces/rotatord/poddisruptionbudgets",
	"Service":             "/api/v1/namespaces/rotatord/services",
	"ServiceAccount":      "/api/v1/namespaces/rotatord/serviceaccounts",
	"StatefulSet":         "/apis/apps/v1/namespaces/rotatord/statefulsets",
}

var unknown = []string{"PrometheusRule", "ServiceMonitor"}

// TestKubernetesTakesTheChart creates every object at a real API server, which refuses fields that it does not know; then the
// pod by itself, which has to meet the restricted standard.
func TestKubernetesTakesTheChart(t *testing.T) {
	k := realserver.Kubernetes(t)
	create(t, k, "/api/v1/namespaces", []byte(namespace), http.StatusCreated)
	for _, name := range settings {
		all := rendered(t, name)
		for _, o := range all {
			if path, ok := paths[o.kind()]; ok {
				create(t, k, path, encoded(t, o), http.StatusCreated)
			} else if !slices.Contains(unknown, o.kind()) {
				t.Errorf("%s makes a %s, and this test does not know where it is kept", name, o.kind())
			}
		}
		create(t, k, paths["Pod"], encoded(t, podOf(t, all, name)), http.StatusCreated)
		if name == settings[0] {
			refuses(t, k)
		}
		remove(t, k, all)
	}
}

// refuses makes sure that the server is as strict as the test needs it to be.
func refuses(t *testing.T, k *realserver.KubernetesServer) {
	t.Helper()
	bad := podOf(t, rendered(t, "file"), "bad")
	bad["spec"].(map[string]any)["securityContext"] = map[string]any{}
	if said := create(t, k, paths["Pod"], encoded(t, bad), http.StatusForbidden); !strings.Contains(said, "PodSecurity") {
		t.Errorf("the pod without a security context was refused for another reason: %s", said)
	}
	bad = podOf(t, rendered(t, "file"), "bad")
	bad["spec"].(map[string]any)["restart"] = "Always"
	if said := create(t, k, paths["Pod"], encoded(t, bad), http.StatusBadRequest); !strings.Contains(said, "unknown field") {
		t.Errorf("the pod with an unknown field was refused for another reason: %s", said)
	}
}

// podOf is the pod of the chart as Kubernetes' controllers would make it, with the name.
func podOf(t *testing.T, all []object, name string) object {
	t.Helper()
	spec := maps.Clone(pod(t, all))
	if only := container(spec); only == nil {
		t.Fatal("the pod has not exactly one container")
	}
	// The volume of a StatefulSet's claim is added by its controller.
	volumes, _ := spec["volumes"].([]any) // appending to none is right
	if mounted(spec, "/var/lib/rotatord/rotatord.db") {
		volumes = append(volumes, map[string]any{"name": "journal", "persistentVolumeClaim": map[string]any{"claimName": "journal-rotatord-0"}})
	}
	spec["volumes"] = volumes
	return object{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": name, "namespace": "rotatord"}, "spec": map[string]any(spec)}
}

func encoded(t *testing.T, o object) []byte {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// create posts one object and returns what the server says.
func create(t *testing.T, k *realserver.KubernetesServer, path string, body []byte, want int) string {
	t.Helper()
	status, answer, err := k.Do(t.Context(), http.MethodPost, path+"?fieldValidation=Strict", "application/json", body)
	if err != nil {
		t.Fatal(err)
	}
	if status != want {
		t.Errorf("POST %s: %d, want %d:\n%s\n%s", path, status, want, answer, body)
	}
	return string(answer)
}

// remove makes room for the same names.
func remove(t *testing.T, k *realserver.KubernetesServer, all []object) {
	t.Helper()
	for _, o := range all {
		path, ok := paths[o.kind()]
		if !ok {
			continue
		}
		status, answer, err := k.Do(t.Context(), http.MethodDelete, path+"/"+o.name(), "", nil)
		if err != nil || status != http.StatusOK && status != http.StatusAccepted {
			t.Fatalf("DELETE %s/%s: %d, %v: %s", path, o.name(), status, err, answer)
		}
	}
}
