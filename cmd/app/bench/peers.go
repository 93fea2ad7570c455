package main

import (
	"context"
	"errors"
)

// peer makes the same call as a module over RabbitMQ, bare and without a broker:
// what a shop would have that gave up the queues.
type peer struct {
	name  string
	call  func(ctx context.Context, body []byte) ([]byte, error)
	close func() error
}

// openPeers starts both ends of each on loopback, in this process as ours are.
func openPeers(ctx context.Context) (peers []peer, stop func() error, err error) {
	stop = func() error {
		var errs []error
		for _, p := range peers {
			errs = append(errs, p.close())
		}
		return errors.Join(errs...)
	}
	for _, open := range []func(context.Context) (peer, error){openGRPC, openHTTP} {
		p, err := open(ctx)
		if err != nil {
			return nil, nil, errors.Join(err, stop())
		}
		peers = append(peers, p)
	}
	return peers, stop, nil
}
