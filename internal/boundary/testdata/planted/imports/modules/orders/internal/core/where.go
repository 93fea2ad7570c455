package core

const paymentsAt = "amqp://payments" // want imports "amqp://payments"
