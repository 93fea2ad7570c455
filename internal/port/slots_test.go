package port

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSlots(t *testing.T) {
	t.Parallel()
	s, methods := &slots{list: make([]slot, 2), mask: 1}, []*info{}
	stranger := &info{hash: 7}
	for n := range 100 {
		i := &info{spec: Spec{Name: fmt.Sprint("tally.m", n)}}
		i.hash = hashOf(i.spec.Name) % 5 // they collide
		before := s
		s, methods = s.with(i, n), append(methods, i)
		require.Nil(t, before.find(i), "the old one is as it was")
		for want, known := range methods {
			require.Equal(t, want, s.find(known))
		}
		require.Nil(t, s.find(stranger))
		require.Nil(t, s.find(&info{hash: i.hash}), "a method is found by what it is, not by its hash")
	}
}
