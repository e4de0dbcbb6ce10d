package web

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// slogTo is a logger for the exporter toolkit, which knows slog alone. Its news are the daemon's details: what it calls
// information is logged for debugging.
func slogTo(log *zap.Logger) *slog.Logger {
	return slog.New(&slogHandler{log: log.Named("http")})
}

type slogHandler struct{ log *zap.Logger }

func levelOf(l slog.Level) zapcore.Level {
	switch {
	case l >= slog.LevelError:
		return zapcore.ErrorLevel
	case l >= slog.LevelWarn:
		return zapcore.WarnLevel
	default:
		return zapcore.DebugLevel
	}
}

// Enabled implements [slog.Handler].
func (h *slogHandler) Enabled(_ context.Context, l slog.Level) bool {
	return h.log.Core().Enabled(levelOf(l))
}

// Handle implements [slog.Handler].
func (h *slogHandler) Handle(_ context.Context, r slog.Record) error {
	fields := make([]zap.Field, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		fields = append(fields, fieldOf(a))
		return true
	})
	h.log.Log(levelOf(r.Level), r.Message, fields...)
	return nil
}

// WithAttrs implements [slog.Handler].
func (h *slogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	fields := make([]zap.Field, len(attrs))
	for i, a := range attrs {
		fields[i] = fieldOf(a)
	}
	return &slogHandler{log: h.log.With(fields...)}
}

// WithGroup implements [slog.Handler].
func (h *slogHandler) WithGroup(name string) slog.Handler {
	return &slogHandler{log: h.log.With(zap.Namespace(name))}
}

func fieldOf(a slog.Attr) zap.Field { return zap.Any(a.Key, a.Value.Resolve().Any()) }
