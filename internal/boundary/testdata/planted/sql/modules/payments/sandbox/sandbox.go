// Package sandbox plays a foreign company.
package sandbox
