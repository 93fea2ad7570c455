package config

import (
	"reflect"
	"strings"
)

// Key is one setting.
type Key struct {
	Name    string // "http.read_timeout", as in the file
	Env     string // "BANYAN_HTTP_READ_TIMEOUT"
	Flag    string // "http-read-timeout", without dashes in front
	Default string
	Doc     string
	Secret  bool // never shown, or a URL whose password is not

	index     []int
	typ       reflect.Type
	urlSecret bool
}

// Keys lists every setting in the order of the struct.
func Keys() []Key {
	defaults := Defaults()
	return collect(reflect.ValueOf(defaults), "", nil)
}

func collect(v reflect.Value, prefix string, index []int) []Key {
	var keys []Key
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, ok := field.Tag.Lookup("koanf")
		if !ok {
			continue
		}
		name = prefix + name
		at := append(append([]int{}, index...), i)
		if field.Type.Kind() == reflect.Struct {
			keys = append(keys, collect(v.Field(i), name+".", at)...)
			continue
		}
		secret := field.Tag.Get("secret")
		keys = append(keys, Key{
			Name:      name,
			Env:       envPrefix + strings.ToUpper(strings.ReplaceAll(name, ".", "_")),
			Flag:      strings.NewReplacer(".", "-", "_", "-").Replace(name),
			Default:   render(v.Field(i)),
			Doc:       field.Tag.Get("doc"),
			Secret:    secret != "",
			index:     at,
			typ:       field.Type,
			urlSecret: secret == "url",
		})
	}
	return keys
}

// nearest gives the candidate most like name, empty where none is near.
func nearest(name string, candidates []string) string {
	best, least := "", len(name)/3+2
	for _, c := range candidates {
		if d := distance(name, c); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
