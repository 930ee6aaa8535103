// An inbox on the command line: inbox USER. Each line of standard input is sent; what others send is shown, also what came
// while this user was away. It is kept as received by this device, and as read by the user.
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/centrifugal/centrifuge-go"
	"github.com/golang-jwt/jwt/v5"
)

var (
	websocketURL = setting("WEBSOCKET_URL", "ws://127.0.0.1:8000/connection/websocket")
	tokenSecret  = setting("TOKEN_SECRET", "ringpost-development-secret-not-for-production")
	channel      = setting("CHANNEL", "inbox:letters")
	device       = setting("DEVICE", "terminal")
)

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// sayEvery is how often it is said at the most what was received: what is said of an offset holds for all before it.
const sayEvery = 500 * time.Millisecond

// sayAt is how many are unsaid at the most: half of the namespace's max_unacked, beyond which the node waits to be told.
const sayAt = 32

// inbox is a user's, on this device.
type inbox struct {
	user   string
	client *centrifuge.Client
	mutex  sync.Mutex
	// What is not received in time comes again: each offset is shown once.
	shown map[uint64]bool
	// What was received and not said yet, the furthest of all, up to where that was said, and when something was said last, or
	// will be.
	unsaid   map[uint64]bool
	furthest uint64
	saidUpTo uint64
	saidAt   time.Time
	isSaying bool
}

// token is what your backend signs. A device that is named keeps its place: it gets what it has not received, once.
func (i *inbox) token(centrifuge.ConnectionTokenEvent) (string, error) {
	claims := jwt.MapClaims{"sub": i.user, "device": device, "exp": time.Now().Add(10 * time.Minute).Unix()}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(tokenSecret))
}

func (i *inbox) call(method string, params map[string]any, result any) error {
	params["channel"] = channel
	data, err := json.Marshal(params)
	if err != nil {
		return err
	}
	answer, err := i.client.RPC(context.Background(), "inbox."+method, data)
	if err != nil {
		return err
	}
	return json.Unmarshal(answer.Data, result)
}

// taken says with a message that it was received and read, or later with those that come meanwhile. What comes again is said by
// itself. What is lost with a connection is said again after the next publication.
func (i *inbox) taken(offset uint64) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	if offset > i.furthest {
		delete(i.unsaid, i.furthest)
		i.furthest = offset
	}
	i.unsaid[offset] = true
	// In time of its own: a handler must not wait for a reply.
	if i.furthest-i.saidUpTo >= sayAt {
		i.saidUpTo = i.furthest
		go i.say()
	} else if !i.isSaying {
		i.isSaying = true
		time.AfterFunc(time.Until(i.saidAt.Add(sayEvery)), i.say)
	}
}

func (i *inbox) say() {
	i.mutex.Lock()
	offsets := slices.Sorted(maps.Keys(i.unsaid))
	clear(i.unsaid)
	i.saidAt, i.saidUpTo, i.isSaying = time.Now(), i.furthest, false
	i.mutex.Unlock()
	for _, offset := range offsets {
		for _, method := range []string{"received", "read"} {
			if err := i.call(method, map[string]any{"offset": offset}, &struct{}{}); err != nil {
				log.Printf("%s %d: %v", method, offset, err)
			}
		}
	}
}

func (i *inbox) heard(event centrifuge.PublicationEvent) {
	var message struct{ Text string }
	if err := json.Unmarshal(event.Data, &message); err != nil {
		log.Print(err)
	}
	from := ""
	if event.Info != nil {
		from = event.Info.User
	}
	i.mutex.Lock()
	isNew := !i.shown[event.Offset]
	i.shown[event.Offset] = true
	i.mutex.Unlock()
	if from != i.user && isNew {
		fmt.Printf("%s: %s\n", from, message.Text)
	}
	// Where messages are kept, they are kept before this.
	i.taken(event.Offset)
}

func (i *inbox) begun(event centrifuge.SubscribedEvent) {
	if event.WasRecovering && !event.Recovered {
		fmt.Println("(some messages are no longer kept)")
	}
	go func() {
		var state struct{ Unread uint64 }
		if err := i.call("unread", map[string]any{}, &state); err != nil {
			log.Print(err)
			return
		}
		fmt.Printf("here as %s, %d unread\n", i.user, state.Unread)
	}()
}

func (i *inbox) told(event centrifuge.MessageEvent) {
	var positions struct {
		Type, Channel string
		Users         []struct {
			User           string
			Received, Read uint64
		}
	}
	if json.Unmarshal(event.Data, &positions) != nil || positions.Type != "inbox.positions" || positions.Channel != channel {
		return
	}
	for _, one := range positions.Users {
		if one.User != i.user {
			fmt.Printf("(%s: received %d, read %d)\n", one.User, one.Received, one.Read)
		}
	}
}

// send sends until it is answered. The id stays the same: however often it is sent, it is there once.
func (i *inbox) send(text string) {
	id := rand.Text()
	for {
		var sent struct{ Offset uint64 }
		err := i.call("send", map[string]any{"id": id, "data": map[string]string{"text": text}}, &sent)
		if err == nil {
			fmt.Printf("(sent as %d)\n", sent.Offset)
			return
		}
		// The node has refused, for good unless it says that this will pass.
		var refused *centrifuge.Error
		if errors.As(err, &refused) && !refused.Temporary {
			fmt.Printf("(not sent: %v)\n", err)
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
}

func main() {
	own := &inbox{user: "ada", shown: make(map[uint64]bool), unsaid: make(map[uint64]bool)}
	if len(os.Args) > 1 {
		own.user = os.Args[1]
	}
	own.client = centrifuge.NewJsonClient(websocketURL, centrifuge.Config{GetToken: own.token})
	own.client.OnMessage(own.told)
	letters, err := own.client.NewSubscription(channel)
	if err != nil {
		log.Fatal(err)
	}
	letters.OnPublication(own.heard)
	letters.OnSubscribed(own.begun)
	if err := letters.Subscribe(); err != nil {
		log.Fatal(err)
	}
	if err := own.client.Connect(); err != nil {
		log.Fatal(err)
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		own.send(lines.Text())
	}
	// What is unsaid would come again.
	own.say()
	own.client.Close()
}
