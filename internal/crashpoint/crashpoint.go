// Package crashpoint names the moments at which a crash would hurt most, such as
// between a commit and the answer, so that tests can kill the process exactly
// there. Only a binary built with the tag faultpoints knows them. It reads the
// file that BANYAN_TEST_CRASHPOINT names at each moment, and dies where that holds
//
//	orders:after-commit:core.placeOnce<core.Place
//
// What belongs here: the names and the dying. What does not: what a crash must
// not break.
package crashpoint

// Environment variables of a binary with crash points. The first names a file
// that holds the point to die at, or nothing; the second a file to which a line is
// added for each point that is passed, and "died <point>" by the one who dies.
const (
	Variable       = "BANYAN_TEST_CRASHPOINT"
	RecordVariable = "BANYAN_TEST_CRASHPOINT_RECORD"
)
