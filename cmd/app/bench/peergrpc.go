package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// openGRPC is a unary call with nothing around it. The body is sent as it is, so
// that nothing is generated and no end pays for another encoding.
func openGRPC(ctx context.Context) (peer, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return peer{}, err
	}
	server := grpc.NewServer(grpc.ForceServerCodec(asItIs{}))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "bench.Echo", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Say", Handler: sayBack}},
	}, struct{}{})
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	stop := func() error {
		server.Stop()
		return <-served
	}
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return peer{}, errors.Join(err, stop())
	}
	return peer{
		name: "gRPC",
		call: func(ctx context.Context, body []byte) (reply []byte, err error) {
			err = conn.Invoke(ctx, "/bench.Echo/Say", &body, &reply, grpc.ForceCodec(asItIs{}))
			return reply, err
		},
		close: func() error { return errors.Join(conn.Close(), stop()) },
	}, nil
}

// sayBack has the signature that grpc gives to generated handlers.
func sayBack(_ any, _ context.Context, read func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	var body []byte
	err := read(&body)
	return &body, err
}

// asItIs is a codec for bytes that are encoded already.
type asItIs struct{}

func (asItIs) Name() string { return "json" }

func (asItIs) Marshal(v any) ([]byte, error) {
	if body, ok := v.(*[]byte); ok {
		return *body, nil
	}
	return nil, fmt.Errorf("%T is no message of the benchmark", v)
}

func (asItIs) Unmarshal(raw []byte, v any) error {
	body, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("%T is no message of the benchmark", v)
	}
	*body = raw // grpc made a copy for us
	return nil
}
