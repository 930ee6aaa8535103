package sdk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/centrifugal/centrifuge-go"
	"github.com/golang-jwt/jwt/v5"
)

// The node that `run` started for all.
var (
	origin    = "127.0.0.1:" + os.Getenv("SDK_TEST_HTTP_PORT")
	websocket = "ws://" + origin + "/connection/websocket"
)

const (
	secret   = "sdk-secret-of-at-least-thirty-two-bytes"
	patience = 15 * time.Second
)

var channels atomic.Int32

// channel names one that no other test uses.
func channel(namespace string) string {
	return fmt.Sprintf("%s:go-%d-%d", namespace, os.Getpid(), channels.Add(1))
}

// token signs a connection token or, with a channel, a subscription token.
func token(t *testing.T, user, channel string, ttl time.Duration) string {
	claims := jwt.MapClaims{"sub": user, "exp": time.Now().Add(ttl).Unix()}
	if channel != "" {
		claims["channel"] = channel
	}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// api calls the node as a backend.
func api(t *testing.T, method string, params map[string]any) {
	body, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodPost, "http://"+origin+"/api/"+method, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-API-Key", "sdk-key")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct{ Error json.RawMessage }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Error != nil {
		t.Fatalf("%s: %v %s", method, err, answer.Error)
	}
}

// until waits for what must come.
func until(t *testing.T, what string, probe func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !probe(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in vain waited for %s", what)
		}
	}
}

// events are all of one kind, in order.
type events[E any] struct {
	lock sync.Mutex
	all  []E
}

func (e *events[E]) add(event E) {
	e.lock.Lock()
	defer e.lock.Unlock()
	e.all = append(e.all, event)
}

// at is the event at a place, once it has come.
func (e *events[E]) at(t *testing.T, place int) E {
	t.Helper()
	until(t, fmt.Sprintf("%T number %d", *new(E), place+1), func() bool { return len(e.list()) > place })
	return e.list()[place]
}

func (e *events[E]) list() []E {
	e.lock.Lock()
	defer e.lock.Unlock()
	return append([]E(nil), e.all...)
}

// guest is a client with what it heard.
type guest struct {
	*centrifuge.Client
	connected    events[centrifuge.ConnectedEvent]
	disconnected events[centrifuge.DisconnectedEvent]
	failed       events[centrifuge.ErrorEvent]
}

// room is a subscription with what it heard.
type room struct {
	*centrifuge.Subscription
	subscribed   events[centrifuge.SubscribedEvent]
	unsubscribed events[centrifuge.UnsubscribedEvent]
	publications events[centrifuge.PublicationEvent]
	joins        events[centrifuge.JoinEvent]
}

type build struct {
	name string
	new  func(string, centrifuge.Config) *centrifuge.Client
}

// inBoth runs a test with the JSON and with the Protobuf client.
func inBoth(t *testing.T, test func(*testing.T, build)) {
	builds := []build{{"JSON", centrifuge.NewJsonClient}, {"Protobuf", centrifuge.NewProtobufClient}}
	for _, build := range builds {
		t.Run(build.name, func(t *testing.T) { test(t, build) })
	}
}

func (b build) connect(t *testing.T, user string, config centrifuge.Config) *guest {
	t.Helper()
	if config.GetToken == nil {
		config.Token = token(t, user, "", time.Hour)
	}
	config.MinReconnectDelay, config.MaxReconnectDelay = 20*time.Millisecond, 200*time.Millisecond
	g := &guest{Client: b.new(websocket, config)}
	g.OnConnected(g.connected.add)
	g.OnDisconnected(g.disconnected.add)
	g.OnError(g.failed.add)
	t.Cleanup(g.Close)
	if err := g.Connect(); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *guest) enter(t *testing.T, channel string, config centrifuge.SubscriptionConfig) *room {
	t.Helper()
	subscription, err := g.NewSubscription(channel, config)
	if err != nil {
		t.Fatal(err)
	}
	r := &room{Subscription: subscription}
	r.OnSubscribed(r.subscribed.add)
	r.OnUnsubscribed(r.unsubscribed.add)
	r.OnPublication(r.publications.add)
	r.OnJoin(r.joins.add)
	if err := r.Subscribe(); err != nil {
		t.Fatal(err)
	}
	return r
}

// texts are the data of all publications that came.
func (r *room) texts() []string {
	var texts []string
	for _, event := range r.publications.list() {
		texts = append(texts, string(event.Data))
	}
	return texts
}
