package http // want
