package cart

import "example.com/shop/internal/port"

func NewClient(conn *port.Conn) any { return conn }

func Serve(s *port.Server) { _ = s }
