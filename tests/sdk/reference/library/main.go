// A server of the same protocol by the Go library that Centrifugo is made of, with the channels of centrifugo.json. The
// library has tokens and an HTTP API of its own as little as rules of who may what: here are the least that the
// conversations of client.mjs need.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/golang-jwt/jwt/v5"
)

const kept, ttl = 5, time.Hour

// options are what subscribers of a channel get, and what they may ask for.
type options struct {
	history  int
	presence bool
	forced   bool
	cache    bool
	locked   bool
	filters  bool
}

var namespaces = map[string]options{
	"asked":  {history: kept, presence: true},
	"forced": {history: kept, presence: true, forced: true},
	"cache":  {history: 1, forced: true, cache: true},
	"tags":   {history: 8, forced: true, filters: true},
	"latest": {history: 8, forced: true, cache: true, filters: true},
	"plain":  {},
	"locked": {locked: true},
}

func of(channel string) (options, *centrifuge.Error) {
	namespace, _, found := strings.Cut(channel, ":")
	if !found {
		return options{}, nil
	}
	known, found := namespaces[namespace]
	if !found {
		return options{}, centrifuge.ErrorUnknownChannel
	}
	return known, nil
}

func main() {
	port := flag.Int("port", 0, "where to listen on loopback")
	secret := flag.String("secret", "", "the key that tokens are signed with")
	flag.Parse()
	node, err := newNode([]byte(*secret))
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/connection/websocket", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		PingPongConfig: centrifuge.PingPongConfig{PingInterval: 300 * time.Second, PongTimeout: 8 * time.Second},
	}))
	http.HandleFunc("/api/{method}", func(w http.ResponseWriter, r *http.Request) { api(node, w, r) })
	http.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "{}") })
	log.Fatal(http.ListenAndServe(fmt.Sprintf("127.0.0.1:%d", *port), nil))
}

func newNode(secret []byte) (*centrifuge.Node, error) {
	node, err := centrifuge.New(centrifuge.Config{HistoryMaxPublicationLimit: 300, RecoveryMaxPublicationLimit: 300})
	if err != nil {
		return nil, err
	}
	node.OnConnecting(func(_ context.Context, event centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		if event.Token == "" {
			return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{}}, nil
		}
		credentials, err := check(event.Token, secret)
		return centrifuge.ConnectReply{Credentials: credentials, ClientSideRefresh: true}, err
	})
	node.OnConnect(func(client *centrifuge.Client) { serve(node, client, secret) })
	return node, node.Run()
}

// check says whose a token is.
func check(token string, secret []byte) (*centrifuge.Credentials, error) {
	claims := struct {
		jwt.RegisteredClaims
		Info json.RawMessage `json:"info"`
	}{}
	key := func(*jwt.Token) (any, error) { return secret, nil }
	if _, err := jwt.ParseWithClaims(token, &claims, key, jwt.WithValidMethods([]string{"HS256"})); err != nil {
		if strings.Contains(err.Error(), "expired") {
			return nil, centrifuge.ErrorTokenExpired
		}
		return nil, centrifuge.DisconnectInvalidToken
	}
	credentials := &centrifuge.Credentials{UserID: claims.Subject, Info: claims.Info}
	if claims.ExpiresAt != nil {
		credentials.ExpireAt = claims.ExpiresAt.Unix()
	}
	return credentials, nil
}

func serve(node *centrifuge.Node, client *centrifuge.Client, secret []byte) {
	// may says whether the client may do something in a channel, which has to keep what it is about.
	may := func(channel string, keeps func(options) bool) (options, error) {
		options, err := of(channel)
		switch {
		case err != nil:
			return options, err
		case !keeps(options):
			return options, centrifuge.ErrorNotAvailable
		case options.locked || client.UserID() == "":
			return options, centrifuge.ErrorPermissionDenied
		}
		return options, nil
	}
	always := func(options) bool { return true }
	keepsHistory := func(options options) bool { return options.history > 0 }
	keepsPresence := func(options options) bool { return options.presence }
	client.OnSubscribe(func(event centrifuge.SubscribeEvent, answer centrifuge.SubscribeCallback) {
		options, err := may(event.Channel, always)
		answer(centrifuge.SubscribeReply{Options: subscription(options, event)}, err)
	})
	client.OnPublish(func(event centrifuge.PublishEvent, answer centrifuge.PublishCallback) {
		options, err := may(event.Channel, always)
		if err != nil {
			answer(centrifuge.PublishReply{}, err)
			return
		}
		if len(event.Data) == 0 {
			answer(centrifuge.PublishReply{}, centrifuge.ErrorBadRequest)
			return
		}
		answer(centrifuge.PublishReply{Options: centrifuge.PublishOptions{
			HistorySize: options.history, HistoryTTL: ttl, ClientInfo: event.ClientInfo,
		}}, nil)
	})
	client.OnHistory(func(event centrifuge.HistoryEvent, answer centrifuge.HistoryCallback) {
		_, err := may(event.Channel, keepsHistory)
		answer(centrifuge.HistoryReply{}, err)
	})
	client.OnPresence(func(event centrifuge.PresenceEvent, answer centrifuge.PresenceCallback) {
		_, err := may(event.Channel, keepsPresence)
		answer(centrifuge.PresenceReply{}, err)
	})
	client.OnPresenceStats(func(event centrifuge.PresenceStatsEvent, answer centrifuge.PresenceStatsCallback) {
		_, err := may(event.Channel, keepsPresence)
		answer(centrifuge.PresenceStatsReply{}, err)
	})
	client.OnRefresh(func(event centrifuge.RefreshEvent, answer centrifuge.RefreshCallback) {
		credentials, err := check(event.Token, secret)
		switch {
		case err == centrifuge.ErrorTokenExpired:
			answer(centrifuge.RefreshReply{Expired: true}, nil)
		case err != nil || credentials.UserID != client.UserID():
			answer(centrifuge.RefreshReply{}, centrifuge.DisconnectInvalidToken)
		default:
			answer(centrifuge.RefreshReply{ExpireAt: credentials.ExpireAt}, nil)
		}
	})
	client.OnSubRefresh(func(_ centrifuge.SubRefreshEvent, answer centrifuge.SubRefreshCallback) {
		answer(centrifuge.SubRefreshReply{}, centrifuge.ErrorPermissionDenied)
	})
	client.OnMessage(func(centrifuge.MessageEvent) {})
	client.OnRPC(func(_ centrifuge.RPCEvent, answer centrifuge.RPCCallback) {
		answer(centrifuge.RPCReply{}, centrifuge.ErrorNotAvailable)
	})
}

func subscription(options options, event centrifuge.SubscribeEvent) centrifuge.SubscribeOptions {
	mode := centrifuge.RecoveryModeStream
	if options.cache {
		mode = centrifuge.RecoveryModeCache
	}
	keeps := options.history > 0
	return centrifuge.SubscribeOptions{
		EmitPresence:      options.presence,
		EmitJoinLeave:     options.presence,
		PushJoinLeave:     options.presence && (options.forced || event.JoinLeave),
		EnableRecovery:    keeps && (options.forced || event.Recoverable),
		EnablePositioning: keeps && (options.forced || event.Positioned),
		RecoveryMode:      mode,
		AllowTagsFilter:   options.filters,
	}
}
