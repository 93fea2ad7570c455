package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/banyan-tree/banyan/internal/config"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/telemetry"
)

// settings are the flags that every command knows: one for each setting.
type settings struct {
	file   string
	values map[string]*string // by key, as given on the command line
}

func (s *settings) flags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&s.file, "config", "", "settings file (default "+config.DefaultFile+" where there is one)")
	s.values = map[string]*string{}
	for _, key := range config.Keys() {
		s.values[key.Name] = f.String(key.Flag, "", key.Doc)
		if key.Default != "" {
			f.Lookup(key.Flag).Usage += " (default " + key.Default + ")"
		}
	}
	// Every setting is a flag, but 30 of them in each help page would hide the
	// few that matter: "app config show" lists them all.
	shown := map[string]bool{"config": true, "data-dir": true, "database-url": true, "http-addr": true, "ops-addr": true}
	for _, key := range config.Keys() {
		f.Lookup(key.Flag).Hidden = !shown[key.Flag]
	}
}

// badSettings is any reason why the settings cannot be used, a file that cannot
// be read as well.
type badSettings struct{ error }

func (b badSettings) Unwrap() error { return b.error }

// fits refuses settings that the data of modules do not go together with.
func (s *shop) fits(ctx context.Context) error {
	err := s.Fits(ctx)
	if err == nil || ctx.Err() != nil || errors.Is(err, fault.Unavailable) { // which says nothing of settings
		return err
	}
	return badSettings{err}
}

// load reads the settings of cmd from all layers. Every error is badSettings.
func (s *settings) load(cmd *cobra.Command) (config.Config, error) {
	flags := map[string]string{}
	for _, key := range config.Keys() {
		if cmd.Flags().Changed(key.Flag) {
			flags[key.Name] = *s.values[key.Name]
		}
	}
	cfg, err := config.Load(config.Options{File: s.file, Flags: flags, Modules: moduleNames()})
	if err != nil {
		return config.Config{}, badSettings{err}
	}
	return cfg, nil
}

// open builds the shop for a command that works beside a running server: no
// listener, and logs only when something is wrong.
func (s *settings) open(cmd *cobra.Command, opts ...shopOption) (*shop, error) {
	cfg, err := s.load(cmd)
	if err != nil {
		return nil, err
	}
	return openWith(cmd, cfg, opts...)
}

// openWith is open with these settings.
func openWith(cmd *cobra.Command, cfg config.Config, opts ...shopOption) (*shop, error) {
	level := cfg.Log.Level
	if level == "info" || level == "debug" {
		level = "warn"
	}
	log, err := telemetry.NewLogger(cmd.ErrOrStderr(), telemetry.LogOptions{Level: level, Format: "text"})
	if err != nil {
		return nil, err
	}
	return openShop(cmd.Context(), cfg, log, opts...)
}

// with opens the shop that is there, does something with it, and closes it.
func (s *settings) with(cmd *cobra.Command, do func(ctx context.Context, shop *shop) error) error {
	return s.opened(cmd, do, looking)
}

// begin is with, for commands that bring in what a shop may begin with: where there
// is none, it is made.
func (s *settings) begin(cmd *cobra.Command, do func(ctx context.Context, shop *shop) error) error {
	return s.opened(cmd, do)
}

func (s *settings) opened(cmd *cobra.Command, do func(ctx context.Context, shop *shop) error, opts ...shopOption) error {
	shop, err := s.open(cmd, opts...)
	if err != nil {
		return err
	}
	defer shop.close()
	return do(cmd.Context(), shop)
}

// printJSON writes v for scripts.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
