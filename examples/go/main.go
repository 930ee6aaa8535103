// A backend for Ringpost in Go: signs tokens, publishes, lists who is present, serves a page.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const channel = "$chat:team"

var (
	port         = setting("PORT", "3000")
	websocketURL = setting("WEBSOCKET_URL", "ws://127.0.0.1:8000/connection/websocket")
	apiURL       = setting("API_URL", "http://127.0.0.1:8000/api")
	apiKey       = setting("API_KEY", "dev")
	tokenSecret  = setting("TOKEN_SECRET", "ringpost-development-secret-not-for-production")
	pagePath     = setting("PAGE", "../page.html")
	client       = &http.Client{Timeout: 5 * time.Second}
)

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// sign makes a subscription token with a channel, a connection token without one. Short: the SDK asks for the next in
// time.
func sign(user, channel string) (string, error) {
	claims := jwt.MapClaims{"sub": user, "exp": time.Now().Add(10 * time.Minute).Unix()}
	if channel != "" {
		claims["channel"] = channel
	} else {
		claims["info"] = map[string]string{"name": user}
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(tokenSecret))
}

// may is what your application knows: who may read which channel.
func may(user, wanted string) bool {
	return user != "mallory" && wanted == channel
}

// call calls the node. Errors of the API come with status 200, in "error".
func call(method string, params, result any) error {
	body, err := json.Marshal(params)
	if err != nil {
		return err
	}
	request, err := http.NewRequest(http.MethodPost, apiURL+"/"+method, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("X-API-Key", apiKey)
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: HTTP %s", method, response.Status)
	}
	var answer struct {
		Error *struct {
			Code    int
			Message string
		}
		Result any
	}
	answer.Result = result
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Error != nil {
		return fmt.Errorf("%s: %d %s", method, answer.Error.Code, answer.Error.Message)
	}
	return nil
}

func page(w http.ResponseWriter, _ *http.Request) {
	html, err := os.ReadFile(pagePath)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, strings.Replace(string(html), "WEBSOCKET_URL", websocketURL, 1))
}

func token(w http.ResponseWriter, r *http.Request) {
	// In your application the user is who is logged in, not who it says.
	user, wanted := r.FormValue("user"), r.FormValue("channel")
	if user == "" || (wanted != "" && !may(user, wanted)) {
		http.Error(w, "not yours", http.StatusForbidden)
		return
	}
	signed, err := sign(user, wanted)
	reply(w, map[string]string{"token": signed}, err)
}

func announce(w http.ResponseWriter, r *http.Request) {
	var message struct {
		Text string `json:"text"`
	}
	if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var published struct {
		Offset uint64 `json:"offset"`
	}
	err := call("publish", map[string]any{"channel": channel, "data": message}, &published)
	reply(w, published, err)
}

func presence(w http.ResponseWriter, _ *http.Request) {
	var present struct {
		Presence map[string]struct{ User string }
	}
	err := call("presence", map[string]string{"channel": channel}, &present)
	users := make(map[string]bool)
	for _, info := range present.Presence {
		users[info.User] = true
	}
	reply(w, map[string][]string{"users": slices.Sorted(maps.Keys(users))}, err)
}

func reply(w http.ResponseWriter, value any, err error) {
	if err != nil {
		log.Print(err)
		http.Error(w, "the node could not be asked", http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(value)
}

func main() {
	http.HandleFunc("GET /{$}", page)
	http.HandleFunc("GET /token", token)
	http.HandleFunc("POST /announce", announce)
	http.HandleFunc("GET /presence", presence)
	fmt.Printf("http://127.0.0.1:%s/\n", port)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, nil))
}
