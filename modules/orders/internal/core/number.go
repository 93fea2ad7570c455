package core

import (
	"crypto/sha256"
	"encoding/binary"
)

// crockford is the alphabet of Douglas Crockford's Base32: no I, L, O, U, so
// that a number can be read aloud and typed.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// numberOf gives the number people use for the order with this id: 50 bits in two
// groups of five. They come from a hash of the id, so a number tells nothing
// about when an order was made or how many there are.
func numberOf(id string) string {
	sum := sha256.Sum256([]byte(id))
	bits := binary.BigEndian.Uint64(sum[:8]) >> 14
	number := make([]byte, 0, 11)
	for i := range 10 {
		if i == 5 {
			number = append(number, '-')
		}
		number = append(number, crockford[bits>>(45-5*i)&31])
	}
	return string(number)
}
