package main

import (
	_ "example.com/shop/migrations" // want
)
