package realserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// KubernetesServer is a running Kubernetes API server on an etcd of its own. It has no controllers: objects are checked and
// kept, and nothing becomes of them.
type KubernetesServer struct {
	// Address is its base URL.
	Address string

	token  string
	client *http.Client
}

// Kubernetes starts a Kubernetes API server for one test, which stops it when it ends.
func Kubernetes(t testing.TB) *KubernetesServer {
	t.Helper()
	server := binary(t, "kube-apiserver")
	etcd, err := exec.LookPath("etcd")
	if err != nil {
		t.Fatalf("there is no etcd for the Kubernetes API server to keep its objects in; install it with: test/servers/install-apt")
	}
	dir := t.TempDir()
	k := &KubernetesServer{token: rand.Text()}
	writeKubernetesFiles(t, dir, k.token)
	for try := range startTries {
		if err = k.start(t, filepath.Join(dir, strconv.Itoa(try)), dir, etcd, server); err == nil {
			return k
		}
	}
	t.Fatalf("start a Kubernetes API server: %v", err)
	return nil
}

// start starts etcd and the API server on free ports, with what they keep in data.
func (k *KubernetesServer) start(t testing.TB, data, files, etcd, server string) error {
	pair, port := freePair(t), freePair(t)
	client, peer := fmt.Sprintf("http://127.0.0.1:%d", pair), fmt.Sprintf("http://127.0.0.1:%d", pair+1)
	certificates := filepath.Join(data, "certificates")
	if err := os.MkdirAll(certificates, 0o700); err != nil {
		return err
	}
	store, err := launch(data, nil, etcd, "--data-dir", filepath.Join(data, "etcd"), "--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer, "--log-level=error")
	if err != nil {
		return err
	}
	t.Cleanup(store.stop)
	key := filepath.Join(files, "service-accounts.pem")
	api, err := launch(data, nil, server, "--etcd-servers="+client, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
		"--secure-port="+strconv.Itoa(port), "--cert-dir="+certificates, "--service-cluster-ip-range=10.0.0.0/24",
		"--service-account-issuer=https://kubernetes.test", "--service-account-key-file="+key, "--service-account-signing-key-file="+key,
		"--authorization-mode=RBAC", "--token-auth-file="+filepath.Join(files, "tokens.csv"), "--endpoint-reconciler-type=none", "--v=0")
	if err != nil {
		return err
	}
	t.Cleanup(api.stop)
	k.Address = fmt.Sprintf("https://127.0.0.1:%d", port)
	return api.await(func(ctx context.Context) error { return k.ready(ctx, filepath.Join(certificates, "apiserver.crt")) })
}

// ready reports whether the server answers, with the certificate that it made for itself.
func (k *KubernetesServer) ready(ctx context.Context, certificate string) error {
	text, err := os.ReadFile(certificate) //nolint:gosec // a test's own folder
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	k.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	status, answer, err := k.Do(ctx, http.MethodGet, "/readyz", "", nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%d: %s", status, answer)
	}
	return err
}

// Do sends one request as somebody who may do everything, and returns the status and the body of the answer.
func (k *KubernetesServer) Do(ctx context.Context, method, path, contentType string, body []byte) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, k.Address+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+k.token)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := k.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// writeKubernetesFiles writes the key that signs tokens of service accounts, and the token of a user who may do everything.
func writeKubernetesFiles(t testing.TB, dir, token string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	for name, text := range map[string][]byte{
		"service-accounts.pem": pem.EncodeToMemory(block),
		"tokens.csv":           []byte(token + ",tester,tester,system:masters\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
