package clock

func TestTime() {}

type suite struct{}

func (suite) TestMethod() {}
