//go:build tag

package cartmodule

import (
	_ "github.com/rabbitmq/amqp091-go" // want
	_ "go.uber.org/fx"                 // want
)
