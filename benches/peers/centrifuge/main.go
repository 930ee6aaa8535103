// A peer for the bench: a server of the same protocol by the Go library that Centrifugo is made of. As the node in the
// bench, it checks HS256 tokens and lets everybody who has one subscribe and publish. Channels have no history, but where
// several of it share a Redis: there they keep 300 publications, and subscribers are positioned.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/golang-jwt/jwt/v5"
)

func main() {
	port := flag.Int("port", 18000, "where to listen on loopback")
	secret := flag.String("secret", "", "the key that tokens are signed with")
	redis := flag.String("redis", "", "the address of a Redis that several of these share")
	version := flag.Bool("version", false, "tell the version of the library")
	flag.Parse()
	if *version {
		fmt.Println("centrifuge", libraryVersion())
		return
	}
	node, err := newNode([]byte(*secret), *redis)
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/connection/websocket", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		UseWriteBufferPool: true,
	}))
	log.Fatal(http.ListenAndServe(fmt.Sprintf("127.0.0.1:%d", *port), nil))
}

func newNode(secret []byte, redis string) (*centrifuge.Node, error) {
	node, err := centrifuge.New(centrifuge.Config{Version: libraryVersion()})
	if err != nil {
		return nil, err
	}
	subscribe, publish := centrifuge.SubscribeOptions{}, centrifuge.PublishOptions{}
	if redis != "" {
		if err := share(node, redis); err != nil {
			return nil, err
		}
		subscribe = centrifuge.SubscribeOptions{EnableRecovery: true, EnablePositioning: true}
		publish = centrifuge.PublishOptions{HistorySize: 300, HistoryTTL: 5 * time.Minute}
	}
	node.OnConnecting(func(_ context.Context, event centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		credentials, err := check(event.Token, secret)
		if err != nil {
			return centrifuge.ConnectReply{}, centrifuge.DisconnectInvalidToken
		}
		return centrifuge.ConnectReply{Credentials: credentials}, nil
	})
	node.OnConnect(func(client *centrifuge.Client) {
		client.OnSubscribe(func(_ centrifuge.SubscribeEvent, answer centrifuge.SubscribeCallback) {
			answer(centrifuge.SubscribeReply{Options: subscribe}, nil)
		})
		client.OnPublish(func(_ centrifuge.PublishEvent, answer centrifuge.PublishCallback) {
			answer(centrifuge.PublishReply{Options: publish}, nil)
		})
	})
	return node, node.Run()
}

// share has the node's channels go through Redis.
func share(node *centrifuge.Node, address string) error {
	shard, err := centrifuge.NewRedisShard(node, centrifuge.RedisShardConfig{Address: address})
	if err != nil {
		return err
	}
	broker, err := centrifuge.NewRedisBroker(node, centrifuge.RedisBrokerConfig{Shards: []*centrifuge.RedisShard{shard}})
	if err != nil {
		return err
	}
	node.SetBroker(broker)
	return nil
}

// check says whose a token is.
func check(token string, secret []byte) (*centrifuge.Credentials, error) {
	claims := jwt.RegisteredClaims{}
	key := func(*jwt.Token) (any, error) { return secret, nil }
	if _, err := jwt.ParseWithClaims(token, &claims, key, jwt.WithValidMethods([]string{"HS256"})); err != nil {
		return nil, err
	}
	credentials := &centrifuge.Credentials{UserID: claims.Subject}
	if claims.ExpiresAt != nil {
		credentials.ExpireAt = claims.ExpiresAt.Unix()
	}
	return credentials, nil
}

func libraryVersion() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/centrifugal/centrifuge" {
			return module.Version
		}
	}
	return "unknown"
}
