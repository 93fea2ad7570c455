package core // want
