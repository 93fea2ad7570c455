package core_test

import (
	_ "github.com/stretchr/testify/assert" // want
	_ "github.com/stretchr/testify/mock"   // want
	_ "github.com/stretchr/testify/require"
	_ "gorm.io/driver/postgres" // want
)
