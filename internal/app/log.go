package app

import (
	"fmt"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/rotatord/rotatord/config"
)

// newLog makes the logger that the configuration asks for, on standard error.
func (a *App) newLog(c *config.Config) (*zap.Logger, error) {
	if a.o.Log != nil {
		return a.o.Log, nil
	}
	a.setLevel(c)
	z := zap.NewProductionConfig()
	z.Level = a.level
	z.DisableCaller, z.DisableStacktrace = true, true
	z.Sampling = nil // every line is about some key that somebody may ask for
	z.EncoderConfig.TimeKey = "time"
	z.EncoderConfig.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	z.EncoderConfig.EncodeDuration = zapcore.StringDurationEncoder
	if c.Log.Format == "console" {
		z.Encoding = "console"
		z.EncoderConfig.EncodeLevel = zapcore.CapitalLevelEncoder
		z.EncoderConfig.EncodeTime = zapcore.TimeEncoderOfLayout(time.TimeOnly)
	}
	log, err := z.Build()
	if err != nil {
		return nil, fmt.Errorf("making the log: %w", err)
	}
	return log, nil
}

// setLevel is also called by a reload.
func (a *App) setLevel(c *config.Config) {
	if level, err := zapcore.ParseLevel(c.Log.Level); err == nil {
		a.level.SetLevel(level)
	}
}
