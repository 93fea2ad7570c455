package testenv

import "log/slog"

var log = slog.Default()
