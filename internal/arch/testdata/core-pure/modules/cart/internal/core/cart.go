package core

import (
	_ "context"
	_ "database/sql"                       // want
	_ "example.com/shop/internal/database" // want
	_ "example.com/shop/internal/event"
	_ "example.com/shop/internal/web/webtest" // want
	_ "github.com/labstack/echo/v4"           // want
	_ "github.com/rabbitmq/amqp091-go"        // want
	_ "gorm.io/gorm/clause"                   // want
	_ "net/http"                              // want
)
