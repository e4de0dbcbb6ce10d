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
	var listen, scenario string
	o := emulator.CertCentralOptions{}
	cmd := &cobra.Command{
		Use: "emulate certcentral", Short: "Serve an emulated provider, with faults to order", Args: args(cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs)),
		ValidArgs: []string{"certcentral"},
		Long: `Serves an emulated DigiCert CertCentral account as its API is documented, with one administrator whose key is printed. Faults
are ordered by a scenario file or at /_emulator/faults. It listens on loopback addresses only.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			e := emulator.NewCertCentral(o)
			if scenario != "" {
				s, err := emulator.LoadScenario(scenario)
				if err != nil {
					return usage{err}
				}
				if err := e.Faults.Apply(s); err != nil {
					return usage{err}
				}
			}
			l, err := listenLoopback(cmd.Context(), listen)
			if err != nil {
				return err
			}
			line(cmd.OutOrStdout(), "base_url: http://%s%s", l.Addr(), e.BasePath())
			line(cmd.OutOrStdout(), "admin:    http://%s/_emulator/", l.Addr())
			line(cmd.OutOrStdout(), "api_key:  %s", e.ManagerSecret())
			return serveEmulator(cmd.Context(), l, e)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:9651", "loopback address to listen on")
	cmd.Flags().StringVar(&scenario, "scenario", "", "file of faults to begin with")
	cmd.Flags().StringVar(&o.ManagerSecret, "api-key", "", "the administrator's key (default: a random one)")
	cmd.Flags().DurationVar(&o.NewKeyRefusedFor, "new-key-refused-for", 0, "how long a new key does not authenticate")
	return cmd
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

func serveEmulator(ctx context.Context, l net.Listener, e *emulator.CertCentral) error {
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
