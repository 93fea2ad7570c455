package porttest

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/port"
)

// rounds is how many values of a type are sent; with it each hard value of each
// field is met many times.
const rounds = 300

// Survives sends random values of the type over the wire and back: nil and empty
// slices and maps, times, amounts, numbers beyond 2^53, text in need of escapes.
func Survives(t testing.TB, typ reflect.Type) {
	t.Helper()
	if lost := Lost(typ); len(lost) > 0 {
		t.Errorf("the wire loses parts of %s:\n%s", typ, strings.Join(lost, "\n"))
		return
	}
	for _, sent := range Random(typ, rounds) {
		body, err := port.Encode(sent.Interface())
		require.NoError(t, err)
		got := reflect.New(typ)
		require.NoError(t, port.Decode(body, got.Interface()), "%s", body)
		require.Equal(t, sent.Interface(), got.Interface(), "%s", body)
	}
}

// Random gives pointers to values of the type, hard ones among them, the same in
// each run.
func Random(typ reflect.Type, n int) []reflect.Value {
	r := rand.New(rand.NewPCG(1, 2))
	list := make([]reflect.Value, n)
	for i := range list {
		list[i] = reflect.New(typ)
		fill(r, list[i].Elem(), 4)
	}
	return list
}

// Lost tells which parts of a type can never survive, and what to write instead.
func Lost(typ reflect.Type) []string {
	var lost []string
	look(typ, typ.String(), map[reflect.Type]bool{}, &lost)
	return lost
}

func look(t reflect.Type, path string, seen map[reflect.Type]bool, lost *[]string) {
	if seen[t] || opaque(t) {
		return
	}
	seen[t] = true
	tell := func(format string, args ...any) {
		*lost = append(*lost, path+": "+fmt.Sprintf(format, args...))
	}
	switch t.Kind() {
	case reflect.Interface, reflect.Func, reflect.Chan, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer, reflect.Uintptr:
		tell("a %s has no form on the wire; use a value type", t)
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		look(t.Elem(), path+"[]", seen, lost)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			where := path + "." + f.Name
			tag := f.Tag.Get("json")
			switch {
			case tag == "-":
				*lost = append(*lost, where+": its tag keeps it off the wire")
			case !f.IsExported() && !f.Anonymous:
				*lost = append(*lost, where+": it is not exported")
			case (f.Type.Kind() == reflect.Slice || f.Type.Kind() == reflect.Map) && strings.Contains(tag, ",omitempty"):
				*lost = append(*lost, where+": with omitempty an empty one arrives as nil; use omitzero")
			default:
				look(f.Type, where, seen, lost)
			}
		}
	}
}

// opaque types write and read themselves.
func opaque(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

var texts = []string{"", "a", "null", `"quoted" \ back`, "<b>&amp;</b>", "日本語 🌳", "\u2028\x00\t\r\n", "9007199254740993"}

var times = []time.Time{
	{},
	time.Date(2026, 11, 22, 16, 0, 0, 123456000, time.UTC),
	time.Date(1969, 12, 31, 23, 59, 59, 1000, time.UTC),
	time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC),
}

// fill sets v to a random value, with the hard ones likely.
func fill(r *rand.Rand, v reflect.Value, depth int) {
	t := v.Type()
	switch {
	case t == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(times[r.IntN(len(times))]))
		return
	case t == reflect.TypeFor[json.RawMessage]():
		v.SetBytes([]byte(`{"n":9007199254740993}`))
		return
	case opaque(t):
		return // its rules are not known here; zero is a value of every type
	}
	switch t.Kind() {
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		bits := t.Bits()
		v.SetInt([]int64{0, 1, -1, 1<<(bits-1) - 1, -1 << (bits - 1), r.Int64() >> (64 - bits)}[r.IntN(6)])
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint([]uint64{0, 1, math.MaxUint64 >> (64 - t.Bits()), r.Uint64() >> (64 - t.Bits())}[r.IntN(4)])
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(float32(r.NormFloat64())))
	case reflect.String:
		v.SetString(texts[r.IntN(len(texts))])
	case reflect.Pointer:
		if depth > 0 && r.IntN(2) == 0 {
			v.Set(reflect.New(t.Elem()))
			fill(r, v.Elem(), depth-1)
		}
	case reflect.Slice:
		fillSlice(r, v, depth)
	case reflect.Map:
		fillMap(r, v, depth)
	case reflect.Array:
		for i := range v.Len() {
			fill(r, v.Index(i), depth)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(r, v.Field(i), depth)
			}
		}
	}
}

func fillSlice(r *rand.Rand, v reflect.Value, depth int) {
	n := r.IntN(4) - 1 // -1 is nil
	if n < 0 {
		return
	}
	if depth <= 0 {
		n = 0
	}
	v.Set(reflect.MakeSlice(v.Type(), n, n))
	for i := range n {
		fill(r, v.Index(i), depth-1)
	}
}

func fillMap(r *rand.Rand, v reflect.Value, depth int) {
	n := r.IntN(4) - 1
	if n < 0 {
		return
	}
	if depth <= 0 {
		n = 0
	}
	v.Set(reflect.MakeMap(v.Type()))
	for range n {
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(r, key, 0)
		fill(r, value, depth-1)
		v.SetMapIndex(key, value)
	}
}
