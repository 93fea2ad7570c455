package orders

import (
	"example.com/shop/internal/database"     // want imports "the contract of orders imports"
	"example.com/shop/modules/payments"      // want imports "the contract of orders imports"
)

type Paid = payments.Payment

type Data = database.DB
