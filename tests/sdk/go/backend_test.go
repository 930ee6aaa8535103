package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/centrifugal/centrifuge-go"
	"github.com/centrifugal/gocent/v3"
)

// backend is the library for backends, unmodified. It sends lines of `{"method": …, "params": …}` to /api.
func backend() *gocent.Client {
	return gocent.New(gocent.Config{Addr: "http://" + origin + "/api", Key: "sdk-key"})
}

func published(t *testing.T, name string, data string) gocent.PublishResult {
	t.Helper()
	result, err := backend().Publish(context.Background(), name, []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestABackendPublishesAndReadsHistory(t *testing.T) {
	ctx, api, name := context.Background(), backend(), channel("chat")
	first, second := published(t, name, `{"n":1}`), published(t, name, `{"n":2}`)
	if first.Offset != 1 || second.Offset != 2 || first.Epoch != second.Epoch {
		t.Error(first, second)
	}
	if result, err := api.Publish(ctx, name, []byte("3"), gocent.WithSkipHistory(true)); err != nil || result.Offset != 0 {
		t.Error(result, err)
	}
	page, err := api.History(ctx, name, gocent.WithLimit(gocent.NoLimit))
	if err != nil || len(page.Publications) != 2 || string(page.Publications[1].Data) != `{"n":2}` || page.Offset != 2 {
		t.Error(page, err)
	}
	since := gocent.StreamPosition{Offset: 2, Epoch: page.Epoch}
	back, err := api.History(ctx, name, gocent.WithLimit(1), gocent.WithSince(&since), gocent.WithReverse(true))
	if err != nil || len(back.Publications) != 1 || back.Publications[0].Offset != 1 {
		t.Error(back, err)
	}
	if err := api.HistoryRemove(ctx, name); err != nil {
		t.Error(err)
	}
	if page, err := api.History(ctx, name, gocent.WithLimit(gocent.NoLimit)); err != nil || len(page.Publications) != 0 {
		t.Error(page, err)
	}
}

func TestABackendBroadcastsAndPipes(t *testing.T) {
	ctx, api := context.Background(), backend()
	result, err := api.Broadcast(ctx, []string{channel("chat"), "nowhere:x"}, []byte(`{}`))
	if err != nil || len(result.Responses) != 2 || result.Responses[0].Result.Offset != 1 || result.Responses[1].Error.Code != 102 {
		t.Error(result, err)
	}
	pipe, name := api.Pipe(), channel("chat")
	for _, add := range []error{
		pipe.AddPublish(name, []byte(`1`)), pipe.AddPublish("nowhere:x", []byte(`1`)), pipe.AddPresenceStats(name), pipe.AddPublish(name, []byte(`2`)),
	} {
		if add != nil {
			t.Fatal(add)
		}
	}
	replies, err := api.SendPipe(ctx, pipe)
	if err != nil || len(replies) != 4 {
		t.Fatal(replies, err)
	}
	var last gocent.PublishResult
	if err := json.Unmarshal(replies[3].Result, &last); err != nil || last.Offset != 2 || replies[1].Error.Code != 102 {
		t.Error("one bad command must not void the others", replies, err)
	}
}

func TestABackendLeadsAClientAndSeesIt(t *testing.T) {
	ctx, api, name := context.Background(), backend(), channel("asked")
	client := build{"JSON", centrifuge.NewJsonClient}.connect(t, "gil", centrifuge.Config{})
	id := client.connected.at(t, 0).ClientID
	var events events[centrifuge.ServerSubscribedEvent]
	client.OnSubscribed(events.add)
	if err := api.Subscribe(ctx, name, "gil", gocent.WithSubscribeClient(id), gocent.WithSubscribeData(json.RawMessage(`{"hello":1}`))); err != nil {
		t.Fatal(err)
	}
	if event := events.at(t, 0); event.Channel != name || string(event.Data) != `{"hello":1}` {
		t.Error(event)
	}
	present, err := api.Presence(ctx, name)
	if err != nil || present.Presence[id].User != "gil" {
		t.Error(present, err)
	}
	if stats, err := api.PresenceStats(ctx, name); err != nil || stats.NumClients != 1 || stats.NumUsers != 1 {
		t.Error(stats, err)
	}
	if channels, err := api.Channels(ctx, gocent.WithPattern(name[:len(name)-1]+"?")); err != nil || len(channels.Channels) == 0 {
		t.Error(channels, err)
	}
	if info, err := api.Info(ctx); err != nil || len(info.Nodes) != 1 || info.Nodes[0].NumClients < 1 {
		t.Error(info, err)
	}
	if err := api.Unsubscribe(ctx, name, "gil"); err != nil {
		t.Error(err)
	}
	until(t, "the end of the subscription", func() bool {
		stats, err := api.PresenceStats(ctx, name)
		return err == nil && stats.NumClients == 0
	})
	if err := api.Disconnect(ctx, "gil"); err != nil {
		t.Error(err)
	}
	if event := client.disconnected.at(t, 0); event.Code != 3503 {
		t.Error(event)
	}
}

func TestABackendIsToldWhyNot(t *testing.T) {
	ctx := context.Background()
	_, err := backend().History(ctx, channel("flow"))
	if refused := new(gocent.Error); !errors.As(err, &refused) || refused.Code != 108 {
		t.Error(err)
	}
	wrong := gocent.New(gocent.Config{Addr: "http://" + origin + "/api", Key: "wrong"})
	_, err = wrong.Info(ctx)
	if status := (gocent.ErrStatusCode{}); !errors.As(err, &status) || status.Code != 401 {
		t.Error(err)
	}
}
