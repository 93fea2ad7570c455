package port

import "hash/fnv"

// slots finds a method's function by the method's address, in a third of the time
// that a map takes: what it starts from was computed when the method was declared.
// It is immutable.
type slots struct {
	list []slot // as many as a power of two, half of them free
	mask uint32
}

type slot struct {
	info *info
	fn   any // func(context.Context, Req) (Rep, error)
}

// find gives nil for a method that is not there.
func (s *slots) find(i *info) any {
	for at := i.hash & s.mask; ; at = (at + 1) & s.mask {
		if one := &s.list[at]; one.info == i || one.info == nil {
			return one.fn
		}
	}
}

// with is a copy that has one more function.
func (s *slots) with(i *info, fn any) *slots {
	all := []slot{{i, fn}}
	for _, one := range s.list {
		if one.info != nil {
			all = append(all, one)
		}
	}
	size := 2
	for size < 2*len(all) {
		size *= 2
	}
	next := &slots{list: make([]slot, size), mask: uint32(size) - 1} //nolint:gosec // a handful of methods
	for _, one := range all {
		at := one.info.hash & next.mask
		for next.list[at].info != nil {
			at = (at + 1) & next.mask
		}
		next.list[at] = one
	}
	return next
}

// hashOf a method's name.
func hashOf(name string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // never fails
	return h.Sum32()
}
