// Package crashpoint names the moments at which a crash would hurt most, such as
// between a commit and the answer, so that tests can kill the process exactly
// there. Only a binary built with the tag faultpoints knows them:
//
//	BANYAN_TEST_CRASHPOINT=orders:after-commit:core.placeOnce#2   dies there at the second hit
//	BANYAN_TEST_CRASHPOINT_RECORD=points.txt                     writes down each point it passes
//
// What belongs here: the names and the dying. What does not: what a crash must
// not break.
package crashpoint

// Environment variables of a binary with crash points. The first names a point
// and, behind a #, at which hit the process dies (1 unless set); the second names
// a file to which a line is added for each point that is passed, and a line
// "died <point>" by the one who dies.
const (
	Variable       = "BANYAN_TEST_CRASHPOINT"
	RecordVariable = "BANYAN_TEST_CRASHPOINT_RECORD"
)
