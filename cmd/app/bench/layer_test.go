package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLayersOfATrace(t *testing.T) {
	t.Parallel()
	got, err := shares(`File: app
Type: cpu
Duration: 1s, Total samples = 200ms
-----------+-------------------------------------------------------
      50ms   runtime.mallocgc
             encoding/json.Marshal
             github.com/banyan-tree/banyan/modules/orders.x
-----------+-------------------------------------------------------
     key:    value
      70ms   syscall.Syscall
             net.(*conn).Write
             github.com/jackc/pgx/v5/pgconn.(*PgConn).flush
             gorm.io/gorm.(*DB).Exec
-----------+-------------------------------------------------------
     1.08s   runtime.futex
             runtime.schedule
-----------+-------------------------------------------------------
`)
	require.NoError(t, err)
	require.Len(t, got, 3)
	require.Equal(t, scheduler, got[0].Name)
	require.InDelta(t, .9, got[0].Share, 1e-9)
	require.Equal(t, "PostgreSQL driver (pgx)", got[1].Name)
	require.Equal(t, "allocation and garbage collection", got[2].Name)
}
