// Package sandbox plays a foreign company.
package sandbox

import "example.com/shop/modules/payments" // want imports "plays a foreign company"

var _ payments.Service
