package main

func init() {} // want

func main() {}
