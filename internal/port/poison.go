package port

import "reflect"

// poisonText is what a string becomes that was kept too long.
const poisonText = "poisoned: this request was kept after its handler had returned"

// poison overwrites all memory that is reachable from v through slices, maps and
// pointers. v's own fields are left: whoever copied them owns the copy.
func poison(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() && v.Elem().CanSet() {
			spoil(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			spoil(v.Index(i))
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			poison(v.MapIndex(k))
		}
		v.Clear()
	case reflect.Array:
		for i := range v.Len() {
			poison(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				poison(v.Field(i))
			}
		}
	}
}

// spoil poisons what v reaches, and overwrites v itself.
func spoil(v reflect.Value) {
	poison(v)
	switch v.Kind() {
	case reflect.String:
		v.SetString(poisonText)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(-0x5b)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(0xdb)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				spoil(f)
			}
		}
		if v.NumField() > 0 && !v.Field(0).CanSet() {
			v.SetZero() // an opaque type, such as time.Time
		}
	default:
		v.SetZero()
	}
}
