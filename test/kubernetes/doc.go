// Package kubernetes tests the Helm chart: helm lints and renders it, a real Kubernetes API server takes every object, strictly
// and under the restricted pod security standard, and rotatord takes the configuration in it.
package kubernetes
