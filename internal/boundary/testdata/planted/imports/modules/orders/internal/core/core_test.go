package core

import "example.com/shop/modules/payments/internal/store" // want imports "imports modules/payments/internal/store"

var _ store.PaymentRow
