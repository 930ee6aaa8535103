package sdkgrpc

import (
	"bytes"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"sdkgrpc/stubs/apiproto"
	"sdkgrpc/stubs/ringpostv1"
)

func centrifugo(t *testing.T) apiproto.CentrifugoApiClient {
	return apiproto.NewCentrifugoApiClient(dial(t, shared, grpc.WithPerRPCCredentials(apiKey(sharedKey))))
}

func TestABackendPublishesAndReadsHistory(t *testing.T) {
	api, ctx, room := centrifugo(t), soon(t), channel("chat")
	sent := [][]byte{[]byte(`{"n":1}`), {0, 255}, []byte(`"grüße"`)}
	for at, data := range sent {
		request := &apiproto.PublishRequest{Channel: room, Data: data, Tags: map[string]string{"k": "v"}}
		answer, err := api.Publish(ctx, request)
		if err != nil || answer.Error != nil || answer.Result.Offset != uint64(at+1) || answer.Result.Epoch == "" {
			t.Fatal(answer, err)
		}
	}
	page, err := api.History(ctx, &apiproto.HistoryRequest{Channel: room, Limit: -1})
	if err != nil || page.Error != nil || len(page.Result.Publications) != len(sent) {
		t.Fatal(page, err)
	}
	for at, publication := range page.Result.Publications {
		if !bytes.Equal(publication.Data, sent[at]) || publication.Tags["k"] != "v" {
			t.Error(publication)
		}
	}
	since := &apiproto.StreamPosition{Offset: 1, Epoch: page.Result.Epoch}
	rest, err := api.History(ctx, &apiproto.HistoryRequest{Channel: room, Limit: 1, Since: since})
	if err != nil || len(rest.Result.Publications) != 1 || rest.Result.Publications[0].Offset != 2 {
		t.Error(rest, err)
	}
	if gone, err := api.HistoryRemove(ctx, &apiproto.HistoryRemoveRequest{Channel: room}); err != nil || gone.Error != nil {
		t.Error(gone, err)
	}
}

func TestABatchAndABroadcastAnswerForEach(t *testing.T) {
	api, ctx, room := centrifugo(t), soon(t), channel("chat")
	batch, err := api.Batch(ctx, &apiproto.BatchRequest{Parallel: true, Commands: []*apiproto.Command{
		{Publish: &apiproto.PublishRequest{Channel: room, Data: []byte(`1`)}},
		{PresenceStats: &apiproto.PresenceStatsRequest{Channel: "nowhere:x"}},
		{Info: &apiproto.InfoRequest{}},
	}})
	if err != nil || len(batch.Replies) != 3 {
		t.Fatal(batch, err)
	}
	of := batch.Replies
	if of[0].Publish.GetOffset() != 1 || of[1].Error.GetCode() != 102 || len(of[2].Info.GetNodes()) != 1 {
		t.Error(batch)
	}
	told, err := api.Broadcast(ctx, &apiproto.BroadcastRequest{Channels: []string{room, "nowhere:x"}, Data: []byte(`2`)})
	if err != nil || told.Result.Responses[0].Result.GetOffset() != 2 || told.Result.Responses[1].Error.GetCode() != 102 {
		t.Error(told, err)
	}
}

func TestARefusalIsInTheReplyOrAStatusWithItsDetails(t *testing.T) {
	api, ctx := centrifugo(t), soon(t)
	request := &apiproto.PublishRequest{Channel: "nowhere:x", Data: []byte(`1`)}
	if answer, err := api.Publish(ctx, request); err != nil || answer.Error.GetCode() != 102 || answer.Result != nil {
		t.Fatal(answer, err)
	}
	answer, err := api.Publish(metadata.AppendToOutgoingContext(ctx, "x-centrifugo-error-mode", "transport"), request)
	refused, ok := status.FromError(err)
	if !ok || refused.Code() != codes.NotFound || len(refused.Details()) != 1 {
		t.Fatal(answer, err)
	}
	// Go finds the message by the name in the details.
	if detail, ok := refused.Details()[0].(*apiproto.Error); !ok || detail.Code != 102 || detail.Message == "" {
		t.Error(refused.Details())
	}
}

func TestWhatTheNodeHasBeyondIsInItsOwnService(t *testing.T) {
	api := ringpostv1.NewRingpostApiClient(dial(t, shared, grpc.WithPerRPCCredentials(apiKey(sharedKey))))
	ctx, room := soon(t), channel("inbox")
	added, err := api.MembersAdd(ctx, &ringpostv1.MembersAddRequest{Channel: room, Users: []string{"ann"}})
	if err != nil || added.Error != nil {
		t.Fatal(added, err)
	}
	published, err := api.Publish(ctx, &ringpostv1.PublishRequest{Channel: room, Data: []byte(`1`), Ttl: "1h"})
	if err != nil || published.Result.GetOffset() != 1 {
		t.Fatal(published, err)
	}
	unread, err := api.InboxUnread(ctx, &ringpostv1.InboxUnreadRequest{Channel: room, User: "ann"})
	if err != nil || unread.Result.GetUnread() != 1 {
		t.Error(unread, err)
	}
	// What needs a role that this process does not have says so.
	state, err := api.UsersState(ctx, &ringpostv1.UsersStateRequest{Users: []string{"ann"}})
	if err != nil || state.Error.GetCode() != 108 || state.Error.GetMessage() == "" {
		t.Error(state, err)
	}
}

func TestWhatIsNoCallIsAStatus(t *testing.T) {
	api, ctx := centrifugo(t), soon(t)
	for wanted, call := range map[codes.Code]func() error{
		codes.ResourceExhausted: func() error {
			_, err := api.Publish(ctx, &apiproto.PublishRequest{Channel: "chat:x", Data: make([]byte, 9<<20)})
			return err
		},
		codes.Unimplemented: func() error {
			_, err := api.Info(ctx, &apiproto.InfoRequest{}, grpc.UseCompressor(gzip.Name))
			return err
		},
		codes.InvalidArgument: func() error {
			commands := make([]*apiproto.Command, 10_001)
			for at := range commands {
				commands[at] = &apiproto.Command{}
			}
			_, err := api.Batch(ctx, &apiproto.BatchRequest{Commands: commands})
			return err
		},
	} {
		if err := call(); status.Code(err) != wanted {
			t.Errorf("%s: %v", wanted, err)
		}
	}
	if _, err := api.Info(ctx, &apiproto.InfoRequest{}); err != nil {
		t.Error("the connection goes on", err)
	}
}
