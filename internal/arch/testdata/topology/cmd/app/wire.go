package main

var url = "amqp://localhost"
