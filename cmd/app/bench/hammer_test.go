package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The readers count an answer only when it is 200 and of the size of the page.
func TestReadersCountGoodAnswersOnly(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	file := filepath.Join(t.TempDir(), "page")
	body := strings.Repeat("x", 5000)
	require.NoError(t, os.WriteFile(file, []byte(body), 0o600))
	in, out := io.Pipe()
	told, tell := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- bare([]string{file}, in, tell) }()
	line, err := bufio.NewReader(told).ReadString('\n')
	require.NoError(t, err)
	address, tokens := strings.TrimSpace(line), make([]string, 2*connections)

	persecond, err := hammer(ctx, address, "/0", tokens, len(body), 50*time.Millisecond)
	require.NoError(t, err)
	require.Positive(t, persecond)
	_, err = hammer(ctx, address, "/0", tokens, len(body)-1, 50*time.Millisecond)
	require.ErrorContains(t, err, "a page of 4999 bytes was answered with 5000")
	_, err = hammer(ctx, address, "/1", tokens, len(body), 50*time.Millisecond)
	require.ErrorContains(t, err, "404")

	require.NoError(t, out.Close())
	require.NoError(t, <-ended)
}

func TestAnswersInChunks(t *testing.T) {
	t.Parallel()
	r := bufio.NewReader(strings.NewReader("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n" +
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\nno"))
	require.NoError(t, readAnswer(r, 8))
	require.NoError(t, readAnswer(r, 2), "the next answer begins where the first one ended")
	require.ErrorContains(t, readAnswer(r, 2), "429")
}
