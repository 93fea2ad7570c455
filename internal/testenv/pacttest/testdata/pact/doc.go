// Package pact is the door to Pact's own library, for the tests of the shop: it
// records what a consumer relies on, and verifies a provider against it. It is a
// module of its own because it needs cgo and libpact_ffi, which nothing else here
// does; .ci/pact gets the library and builds a test binary of it. What is recorded
// and who answers is the business of the tests that run it, see
// internal/testenv/pacttest.
package pact
