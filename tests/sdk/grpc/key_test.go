package sdkgrpc

import (
	"context"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"sdkgrpc/stubs/apiproto"
)

// with gives one call a key.
func with(ctx context.Context, key string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "apikey "+key)
}

func TestAWrongKeyIsUnauthenticatedEachTimeAndTheRightOneGoesOnOverTheSameClient(t *testing.T) {
	api, ctx := apiproto.NewCentrifugoApiClient(dial(t, shared)), soon(t)
	for range 50 {
		if _, err := api.Info(ctx, &apiproto.InfoRequest{}); status.Code(err) != codes.Unauthenticated {
			t.Fatal(err)
		}
		if _, err := api.Info(with(ctx, "wrong"), &apiproto.InfoRequest{}); status.Code(err) != codes.Unauthenticated {
			t.Fatal(err)
		}
		// The connection has ended; the client opens another, and its caller does not see it.
		if _, err := api.Info(with(ctx, sharedKey), &apiproto.InfoRequest{}); err != nil {
			t.Fatal(err)
		}
	}
}

// Behind a proxy calls of several backends share a connection.
func TestCallsWithTheRightKeyAreAnsweredWhileOthersOfTheirConnectionEndIt(t *testing.T) {
	api, ctx := apiproto.NewCentrifugoApiClient(dial(t, shared)), soon(t)
	room := channel("chat")
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 100 {
				answer, err := api.Publish(with(ctx, sharedKey), &apiproto.PublishRequest{Channel: room, Data: []byte(`1`)})
				if err != nil || answer.Error != nil {
					t.Error(answer, err)
					return
				}
			}
		})
	}
	callers.Go(func() {
		for range 50 {
			if _, err := api.Info(with(ctx, "wrong"), &apiproto.InfoRequest{}); status.Code(err) != codes.Unauthenticated {
				t.Error(err)
			}
		}
	})
	callers.Wait()
	page, err := api.History(with(ctx, sharedKey), &apiproto.HistoryRequest{Channel: room})
	if err != nil || page.Result.GetOffset() != 800 {
		t.Error("each is carried out once", page, err)
	}
}

func TestAKeyMayBeGivenAsXApiKeyToo(t *testing.T) {
	api := apiproto.NewCentrifugoApiClient(dial(t, shared, grpc.WithUserAgent("backend/1")))
	ctx := metadata.AppendToOutgoingContext(soon(t), "x-api-key", sharedKey)
	if _, err := api.Info(ctx, &apiproto.InfoRequest{}); err != nil {
		t.Error(err)
	}
}
