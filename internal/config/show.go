package config

import (
	"fmt"
	"io"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Hidden stands for what is not shown.
const Hidden = "[hidden]"

// Setting is one key as it is in force.
type Setting struct {
	Key    string `json:"key"`
	Value  string `json:"value"`           // secrets are hidden
	Source string `json:"source"`          // default, file, env, flag
	Where  string `json:"where,omitempty"` // "banyan.yaml:12", "BANYAN_HTTP_ADDR", "--http-addr"
}

// Show lists every key with its value and where that came from. Passwords are
// hidden, those inside URLs too.
func Show(cfg Config) []Setting {
	keys := Keys()
	settings := make([]Setting, len(keys))
	for i, k := range keys {
		s := Setting{Key: k.Name, Value: redact(k, render(reflect.ValueOf(cfg).FieldByIndex(k.index))), Source: "default"}
		if o, ok := cfg.origins[k.Name]; ok {
			s.Source, s.Where = o.kind, o.where
		}
		settings[i] = s
	}
	return settings
}

// Print writes Show as a table.
func Print(w io.Writer, cfg Config) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KEY\tVALUE\tSOURCE")
	for _, s := range Show(cfg) {
		source := s.Source
		if s.Where != "" {
			source += " " + s.Where
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", s.Key, s.Value, source)
	}
	return table.Flush()
}

func redact(k Key, value string) string {
	switch {
	case !k.Secret || value == "":
		return value
	case !k.urlSecret:
		return Hidden
	}
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || ambiguous(value) {
		return Hidden // not understood, so not known to be harmless
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Hidden
	}
	if u.User != nil {
		if _, has := u.User.Password(); has {
			u.User = url.UserPassword(u.User.Username(), "xxxxx")
		}
	}
	for name := range query {
		if lower := strings.ToLower(name); strings.Contains(lower, "pass") || strings.Contains(lower, "key") || strings.Contains(lower, "token") || strings.Contains(lower, "secret") {
			query.Set(name, "xxxxx")
			u.RawQuery = query.Encode()
		}
	}
	return u.String()
}

// quoted is a value as problems show it.
func quoted(k Key, value string) string {
	if k.Secret {
		value = redact(k, value)
	}
	return strconv.Quote(value)
}

// Example is the text of banyan.example.yaml: every key with its default, commented out.
func Example() string {
	var b strings.Builder
	b.WriteString("# Every setting of Banyan with its default. Copy this file to banyan.yaml and\n" +
		"# remove the # in front of what you change (and of the group above it).\n" +
		"# A BANYAN_ variable wins over this file, a flag over both; both are named beside each key.\n")
	group := ""
	for _, k := range Keys() {
		above, name, grouped := strings.Cut(k.Name, ".")
		indent := ""
		if !grouped {
			name, above = k.Name, ""
		} else {
			indent = "  "
		}
		if above != group || !grouped {
			b.WriteString("\n")
			if grouped {
				b.WriteString("#" + above + ":\n")
			}
			group = above
		}
		fmt.Fprintf(&b, "#%s# %s\n#%s# %s, --%s\n#%s%s: %s\n", indent, k.Doc, indent, k.Env, k.Flag, indent, name, exampleValue(k))
	}
	return b.String()
}

func exampleValue(k Key) string {
	switch {
	case k.typ.Kind() == reflect.Slice && k.Default == "":
		return "[]"
	case k.typ.Kind() == reflect.Slice:
		return "[" + strings.ReplaceAll(k.Default, ",", ", ") + "]"
	case k.Default == "":
		return `""`
	case k.typ.Kind() == reflect.String:
		return strconv.Quote(k.Default)
	}
	return k.Default
}
