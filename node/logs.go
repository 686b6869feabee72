package node

import (
	"context"
	"log/slog"
)

// atLeast passes on what is at least as severe as its level: pubsub reports every
// message it sees at debug level.
type atLeast struct {
	slog.Handler
	level slog.Level
}

// Enabled reports whether the level is severe enough.
func (h atLeast) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level && h.Handler.Enabled(ctx, l)
}

// WithAttrs and WithGroup keep the level.
func (h atLeast) WithAttrs(a []slog.Attr) slog.Handler {
	return atLeast{h.Handler.WithAttrs(a), h.level}
}
func (h atLeast) WithGroup(name string) slog.Handler {
	return atLeast{h.Handler.WithGroup(name), h.level}
}
