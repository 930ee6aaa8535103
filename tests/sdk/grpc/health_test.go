package sdkgrpc

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	_ "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"sdkgrpc/stubs/apiproto"
	"sdkgrpc/stubs/ringpostv1"
)

// balanced is what Go's documentation has for several servers: calls by turns to those that say that they serve.
const balanced = `{
	"loadBalancingConfig": [{"round_robin": {}}],
	"healthCheckConfig": {"serviceName": "centrifugal.centrifugo.api.CentrifugoApi"}
}`

func TestHealthIsToldToEverybody(t *testing.T) {
	health := healthpb.NewHealthClient(dial(t, shared))
	services := []string{"", apiproto.CentrifugoApi_ServiceDesc.ServiceName, ringpostv1.RingpostApi_ServiceDesc.ServiceName}
	for _, service := range services {
		answer, err := health.Check(soon(t), &healthpb.HealthCheckRequest{Service: service})
		if err != nil || answer.Status != healthpb.HealthCheckResponse_SERVING {
			t.Error(service, answer, err)
		}
	}
}

// A rolling restart as a backend sees it, whose library watches the health of both nodes.
func TestNoCallFailsWhileOneOfTwoNodesLeaves(t *testing.T) {
	nodes := []*node{startNode(t, ""), startNode(t, "")}
	addresses := manual.NewBuilderWithScheme("nodes")
	addresses.InitialState(resolver.State{Addresses: []resolver.Address{{Addr: nodes[0].grpc}, {Addr: nodes[1].grpc}}})
	conn := dial(t, "nodes:///both", grpc.WithResolvers(addresses), grpc.WithDefaultServiceConfig(balanced),
		grpc.WithPerRPCCredentials(apiKey(sharedKey)))
	api, ctx := apiproto.NewCentrifugoApiClient(conn), soon(t)
	names := func() map[string]int {
		seen := map[string]int{}
		for range 20 {
			answer, err := api.Info(ctx, &apiproto.InfoRequest{}, grpc.WaitForReady(true))
			if err != nil || answer.Error != nil {
				t.Fatal(answer, err)
			}
			seen[answer.Result.Nodes[0].Uid]++
		}
		return seen
	}
	for end := time.Now().Add(patience); len(names()) < 2; {
		if time.Now().After(end) {
			t.Fatal("both nodes are to be called")
		}
	}
	done, stop := context.WithCancel(ctx)
	var callers sync.WaitGroup
	var calls atomic.Int64
	for range 4 {
		callers.Go(func() {
			for done.Err() == nil {
				if answer, err := api.Publish(ctx, &apiproto.PublishRequest{Channel: "room", Data: []byte(`1`)}); err != nil || answer.Error != nil {
					t.Error(calls.Load(), answer, err)
					return
				}
				calls.Add(1)
			}
		})
	}
	nodes[0].drain(t)
	_ = nodes[0].child.Wait()
	time.Sleep(300 * time.Millisecond)
	stop()
	callers.Wait()
	if seen := names(); len(seen) != 1 || calls.Load() == 0 {
		t.Error("one node is left", seen, calls.Load())
	}
}
