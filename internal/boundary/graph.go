package boundary

type Graph struct{}

func (s *surveyor) readGraph() {}
