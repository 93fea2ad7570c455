package config

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Switch is written on or off.
type Switch bool

func (s Switch) String() string {
	if s {
		return "on"
	}
	return "off"
}

// Bytes is a size: 1048576, 512KiB, 1MiB.
type Bytes int64

func (b Bytes) String() string {
	switch {
	case b > 0 && b%(1<<20) == 0:
		return strconv.FormatInt(int64(b>>20), 10) + "MiB"
	case b > 0 && b%(1<<10) == 0:
		return strconv.FormatInt(int64(b>>10), 10) + "KiB"
	}
	return strconv.FormatInt(int64(b), 10)
}

// decode turns what a layer says (text from environment and flags, a YAML value
// from the file) into a value of the key's type. The error tells what is allowed.
func decode(k Key, raw any) (reflect.Value, error) {
	t := k.typ
	if t == reflect.TypeFor[[]string]() {
		return decodeList(raw)
	}
	var text string
	switch raw := raw.(type) {
	case nil:
		return reflect.Zero(t), errors.New("has no value; write one or remove the key")
	case []any, map[string]any, map[any]any:
		return reflect.Zero(t), errors.New("takes one value, not a list or a group")
	default:
		text = fmt.Sprint(raw)
		if k.Secret && !k.urlSecret {
			text = strings.TrimRight(text, "\r\n") // a space may belong to a password
		} else {
			text = strings.TrimSpace(text)
		}
	}
	v := reflect.New(t).Elem()
	switch t {
	case reflect.TypeFor[string]():
		v.SetString(text)
	case reflect.TypeFor[int]():
		n, err := strconv.Atoi(text)
		if err != nil {
			return v, errors.New("must be a whole number")
		}
		v.SetInt(int64(n))
	case reflect.TypeFor[float64]():
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || f != f {
			return v, errors.New("must be a number such as 0.25")
		}
		v.SetFloat(f)
	case reflect.TypeFor[bool](), reflect.TypeFor[Switch]():
		b, err := parseSwitch(text)
		if err != nil {
			return v, err
		}
		v.SetBool(b)
	case reflect.TypeFor[time.Duration]():
		d, err := parseDuration(text)
		if err != nil {
			return v, err
		}
		v.SetInt(int64(d))
	case reflect.TypeFor[Bytes]():
		b, err := parseBytes(text)
		if err != nil {
			return v, err
		}
		v.SetInt(int64(b))
	default:
		return v, fmt.Errorf("config has no rule for settings of type %s", t)
	}
	return v, nil
}

func decodeList(raw any) (reflect.Value, error) {
	list := []string{}
	switch raw := raw.(type) {
	case nil:
	case []any:
		for _, item := range raw {
			switch item.(type) {
			case []any, map[string]any, nil:
				return reflect.ValueOf(list), errors.New("must be a list of single values")
			}
			list = append(list, fmt.Sprint(item))
		}
	case map[string]any:
		return reflect.ValueOf(list), errors.New("must be a list")
	default:
		for item := range strings.SplitSeq(fmt.Sprint(raw), ",") {
			if item = strings.TrimSpace(item); item != "" {
				list = append(list, item)
			}
		}
	}
	return reflect.ValueOf(list), nil
}

func parseSwitch(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "on", "true", "yes", "1":
		return true, nil
	case "off", "false", "no", "0":
		return false, nil
	}
	return false, errors.New("must be on or off")
}

// parseDuration takes Go's form and whole days: 500ms, 30s, 1h30m, 90d.
func parseDuration(text string) (time.Duration, error) {
	bad := errors.New("must be a length of time with its unit, such as 500ms, 30s, 5m, 1h30m or 90d")
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 100_000 {
			return 0, bad
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, bad
	}
	return d, nil
}

func parseBytes(text string) (Bytes, error) {
	number, unit := text, int64(1)
	for suffix, size := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20} {
		if rest, ok := strings.CutSuffix(text, suffix); ok {
			number, unit = strings.TrimSpace(rest), size
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > 1<<40 {
		return 0, errors.New("must be a size such as 1048576, 512KiB or 1MiB")
	}
	return Bytes(n * unit), nil
}

// render writes a value as the file and the environment would have it.
func render(v reflect.Value) string {
	switch v := v.Interface().(type) {
	case []string:
		return strings.Join(v, ",")
	case time.Duration:
		return renderDuration(v)
	default:
		return fmt.Sprint(v)
	}
}

func renderDuration(d time.Duration) string {
	if day := 24 * time.Hour; d >= 2*day && d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
