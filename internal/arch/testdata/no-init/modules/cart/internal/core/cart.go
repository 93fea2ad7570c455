package core

func init() {} // want

type door struct{}

func (door) init() {}
