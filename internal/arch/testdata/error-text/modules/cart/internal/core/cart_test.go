package core

func same(err error) bool { return err.Error() == "gone" }
