package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/emulator"
)

func emulateCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "emulate", Short: "Serve an emulated provider, with faults to order", RunE: group}
	cmd.AddCommand(emulateCertCentralCommand(), emulateDataspotCommand(), emulateDigiCertOneCommand())
	return cmd
}

func emulateCertCentralCommand() *cobra.Command {
	var f emulateFlags
	o := emulator.CertCentralOptions{}
	cmd := &cobra.Command{
		Use: "certcentral", Short: "Serve an emulated DigiCert CertCentral account", Args: args(cobra.NoArgs),
		Long: `Serves an emulated DigiCert CertCentral account as its API is documented, with one administrator whose key is printed. Faults
are ordered by a scenario file or at /_emulator/faults. It listens on loopback addresses only.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			e := emulator.NewCertCentral(o)
			return f.serve(cmd, e, &e.Faults, func(string) {
				line(cmd.OutOrStdout(), "api_key:  %s", e.ManagerSecret())
			})
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&o.ManagerSecret, "api-key", "", "the administrator's key (default: a random one)")
	cmd.Flags().DurationVar(&o.NewKeyRefusedFor, "new-key-refused-for", 0, "how long a new key does not authenticate")
	return cmd
}

// emulateFlags are those of every emulated system.
type emulateFlags struct{ listen, scenario string }

func (f *emulateFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.listen, "listen", "127.0.0.1:9651", "loopback address to listen on")
	cmd.Flags().StringVar(&f.scenario, "scenario", "", "file of faults to begin with")
}

// emulated is a system to serve.
type emulated interface {
	http.Handler
	BasePath() string
	AdminHandler() http.Handler
}

// serve serves a system until the command is told to end. It prints where; tell prints what else a client needs, given the
// address without a path.
func (f *emulateFlags) serve(cmd *cobra.Command, e emulated, faults *emulator.Faults, tell func(root string)) error {
	if f.scenario != "" {
		s, err := emulator.LoadScenario(f.scenario)
		if err != nil {
			return usage{err}
		}
		if err := faults.Apply(s); err != nil {
			return usage{err}
		}
	}
	l, err := listenLoopback(cmd.Context(), f.listen)
	if err != nil {
		return err
	}
	root := "http://" + l.Addr().String()
	line(cmd.OutOrStdout(), "base_url: %s%s", root, e.BasePath())
	line(cmd.OutOrStdout(), "admin:    %s/_emulator/", root)
	tell(root)
	return serveEmulator(cmd.Context(), l, e)
}

func listenLoopback(ctx context.Context, address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		_ = l.Close() // nothing was served
		return nil, usage{fmt.Errorf("--listen is %s; the emulator hands out keys and serves loopback addresses only", address)}
	}
	return l, nil
}

func serveEmulator(ctx context.Context, l net.Listener, e emulated) error {
	mux := http.NewServeMux()
	mux.Handle("/_emulator/", e.AdminHandler())
	mux.Handle("/", e)
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() }) // calls in flight may break: it is an emulator
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
