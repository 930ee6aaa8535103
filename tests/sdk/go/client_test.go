// Package sdk holds the Go SDK against the node, in JSON and in Protobuf.
package sdk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/centrifugal/centrifuge-go"
)

// numbers are the texts 0 to below n.
func numbers(n int) []string {
	var texts []string
	for i := range n {
		texts = append(texts, fmt.Sprint(i))
	}
	return texts
}

func TestSubscribersSeeWhatOthersPublishInOrder(t *testing.T) {
	inBoth(t, func(t *testing.T, build build) {
		name := channel("asked")
		hers := build.connect(t, "ada", centrifuge.Config{}).enter(t, name, centrifuge.SubscriptionConfig{})
		his := build.connect(t, "bob", centrifuge.Config{}).enter(t, name, centrifuge.SubscriptionConfig{})
		hers.subscribed.at(t, 0)
		his.subscribed.at(t, 0)
		for n := range 20 {
			if _, err := hers.Publish(context.Background(), []byte(fmt.Sprint(n))); err != nil {
				t.Fatal(err)
			}
		}
		for _, room := range []*room{hers, his} {
			room.publications.at(t, 19)
			if texts := room.texts(); !slices.Equal(texts, numbers(20)) {
				t.Error(texts)
			}
		}
		if first := his.publications.at(t, 0); first.Offset != 1 || first.Info.User != "ada" {
			t.Errorf("%+v", first)
		}
	})
}

func TestWhoIsThereAndWhatWasSaidCanBeAsked(t *testing.T) {
	inBoth(t, func(t *testing.T, build build) {
		name := channel("chat")
		hers := build.connect(t, "ada", centrifuge.Config{}).enter(t, name, centrifuge.SubscriptionConfig{})
		hers.subscribed.at(t, 0)
		build.connect(t, "bob", centrifuge.Config{}).enter(t, name, centrifuge.SubscriptionConfig{}).subscribed.at(t, 0)
		until(t, "bob's coming", func() bool {
			return slices.ContainsFunc(hers.joins.list(), func(join centrifuge.JoinEvent) bool { return join.User == "bob" })
		})
		stats, err := hers.PresenceStats(context.Background())
		if err != nil || stats.NumClients != 2 || stats.NumUsers != 2 {
			t.Errorf("%+v %v", stats, err)
		}
		for n := range 3 {
			api(t, "publish", map[string]any{"channel": name, "data": n})
		}
		page, err := hers.History(context.Background(), centrifuge.WithHistoryLimit(2), centrifuge.WithHistoryReverse(true))
		if err != nil || len(page.Publications) != 2 || string(page.Publications[0].Data) != "2" || page.Offset != 3 {
			t.Errorf("%+v %v", page, err)
		}
	})
}

func TestAClientThatWasCutOffRecoversWhatItMissed(t *testing.T) {
	inBoth(t, func(t *testing.T, build build) {
		name, user := channel("chat"), channel("cut")
		guest := build.connect(t, user, centrifuge.Config{})
		room := guest.enter(t, name, centrifuge.SubscriptionConfig{})
		room.subscribed.at(t, 0)
		for n := range 40 {
			api(t, "publish", map[string]any{"channel": name, "data": n})
			if n%10 == 5 {
				room.publications.at(t, n)
				api(t, "disconnect", map[string]any{"user": user, "disconnect": map[string]any{"code": 4000, "reason": "cut"}})
			}
		}
		room.publications.at(t, 39)
		if texts := room.texts(); !slices.Equal(texts, numbers(40)) {
			t.Error(texts)
		}
		for _, event := range room.subscribed.list()[1:] {
			if !event.WasRecovering || !event.Recovered {
				t.Errorf("%+v", event)
			}
		}
	})
}

func TestAFilterOverTagsHoldsLiveAndAfterBeingAway(t *testing.T) {
	inBoth(t, func(t *testing.T, build build) {
		name, user := channel("tags"), channel("filtered")
		guest := build.connect(t, user, centrifuge.Config{})
		filter := centrifuge.FilterAnd(centrifuge.FilterEq("parity", "0"), centrifuge.FilterNot(centrifuge.FilterIn("n", "2", "22")))
		room := guest.enter(t, name, centrifuge.SubscriptionConfig{TagsFilter: filter})
		room.subscribed.at(t, 0)
		for n := range 9 {
			tags := map[string]string{"n": fmt.Sprint(n), "parity": fmt.Sprint(n % 2)}
			api(t, "publish", map[string]any{"channel": name, "data": n, "tags": tags})
			if n == 4 {
				room.publications.at(t, 1)
				api(t, "disconnect", map[string]any{"user": user, "disconnect": map[string]any{"code": 4000, "reason": "cut"}})
			}
		}
		room.publications.at(t, 3)
		if texts := room.texts(); !slices.Equal(texts, []string{"0", "4", "6", "8"}) {
			t.Error(texts)
		}
		if event := room.subscribed.at(t, 1); !event.Recovered {
			t.Errorf("%+v", event)
		}
	})
}

func TestConnectionAndSubscriptionAreRenewed(t *testing.T) {
	inBoth(t, func(t *testing.T, build build) {
		name := "$" + channel("asked")
		var connection, subscription atomic.Int32
		ttl := func(asked *atomic.Int32) time.Duration {
			if asked.Add(1) == 1 {
				return 2 * time.Second
			}
			return time.Hour
		}
		guest := build.connect(t, "ada", centrifuge.Config{
			GetToken: func(centrifuge.ConnectionTokenEvent) (string, error) {
				return token(t, "ada", "", ttl(&connection)), nil
			},
		})
		room := guest.enter(t, name, centrifuge.SubscriptionConfig{
			GetToken: func(event centrifuge.SubscriptionTokenEvent) (string, error) {
				return token(t, "ada", event.Channel, ttl(&subscription)), nil
			},
		})
		until(t, "both to be renewed", func() bool { return connection.Load() == 2 && subscription.Load() == 2 })
		api(t, "publish", map[string]any{"channel": name, "data": 0})
		room.publications.at(t, 0)
		if len(guest.connected.list()) != 1 || len(room.subscribed.list()) != 1 {
			t.Error("it was interrupted")
		}
	})
}

func TestAnExpiredTokenIsReplaced(t *testing.T) {
	inBoth(t, func(t *testing.T, build build) {
		var asked atomic.Int32
		guest := build.connect(t, "ada", centrifuge.Config{
			GetToken: func(centrifuge.ConnectionTokenEvent) (string, error) {
				if asked.Add(1) == 1 {
					return token(t, "ada", "", -time.Minute), nil
				}
				return token(t, "ada", "", time.Hour), nil
			},
		})
		guest.connected.at(t, 0)
		var refused *centrifuge.Error
		if err := guest.failed.at(t, 0).Error; !errors.As(err, &refused) || refused.Code != 109 {
			t.Error(err)
		}
	})
}

func TestAWrongTokenEndsTheConnectionAndAForbiddenChannelTheSubscription(t *testing.T) {
	inBoth(t, func(t *testing.T, build build) {
		wrong := func(centrifuge.ConnectionTokenEvent) (string, error) { return "not.a.token", nil }
		stranger := build.connect(t, "", centrifuge.Config{GetToken: wrong})
		if ended := stranger.disconnected.at(t, 0); ended.Code != 3500 {
			t.Errorf("%+v", ended)
		}
		locked := build.connect(t, "ada", centrifuge.Config{}).enter(t, channel("locked"), centrifuge.SubscriptionConfig{})
		if ended := locked.unsubscribed.at(t, 0); ended.Code != 103 {
			t.Errorf("%+v", ended)
		}
	})
}

func TestAMessageBeyondTheLimitEndsTheConnectionAndTheClientComesBack(t *testing.T) {
	inBoth(t, func(t *testing.T, build build) {
		guest := build.connect(t, "ada", centrifuge.Config{})
		room := guest.enter(t, channel("flow"), centrifuge.SubscriptionConfig{})
		room.subscribed.at(t, 0)
		if _, err := room.Publish(context.Background(), fmt.Appendf(nil, `"%070000d"`, 1)); err == nil {
			t.Error("it was taken")
		}
		room.subscribed.at(t, 1)
	})
}
