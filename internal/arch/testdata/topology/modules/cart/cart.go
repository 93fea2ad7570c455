package cart

import "example.com/shop/internal/port"

// A comment may speak of RabbitMQ and localhost.
type Service interface{}

var end *port.Conn // want
