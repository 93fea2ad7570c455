package core

import (
	"context"
	"log"
	"log/slog"
)

func note(l *slog.Logger) {
	l.Info("a logger that was given")
	slog.Info("the global one")                          // want
	slog.ErrorContext(context.Background(), "and again") // want
	slog.Default().Warn("and again")                     // want
	log.Printf("and again")                              // want
	_ = slog.String("key", "value")
}
