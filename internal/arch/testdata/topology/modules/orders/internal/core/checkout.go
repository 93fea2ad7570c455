package core

import (
	"os"

	"example.com/shop/internal/port"
	"example.com/shop/modules/cart"
)

var principal = port.System("orders")

func checkout() {
	_ = cart.NewClient(nil)               // want
	_ = port.NewConn("cart")              // want
	_ = os.Getenv("HOME")                 // want
	cart.Serve(nil)                       // want
	overRabbit := "http://localhost:8080" // want
	_ = "BANYAN_MODULES"                  // want
	_ = overRabbit                        // want
	_ = "banyan_orders_total"
}
