package event

import "reflect"

// Described is an event type of whatever payload; every *Type is one.
type Described interface {
	Name() string
	Topic() string
	Data() reflect.Type // of the payload
}

// Data is the type of the payload.
func (t *Type[T]) Data() reflect.Type { return reflect.TypeFor[T]() }
