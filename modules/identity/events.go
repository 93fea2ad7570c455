package identity

import "github.com/banyan-tree/banyan/internal/event"

// Topic of the events about one user.
const Topic = "identity.user"

// UserRegistered says that there is a new user.
type UserRegistered struct {
	UserID string   `json:"user_id"`
	Email  string   `json:"email"`
	Name   string   `json:"name"`
	Roles  []string `json:"roles"`
}

// Registered is published once per user.
var Registered = event.Define[UserRegistered](Topic, "identity.user_registered")

// Events lists what is published.
func Events() []event.Described {
	return []event.Described{Registered}
}
