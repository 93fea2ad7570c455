package ordersmodule_test

var url = "http://localhost"
