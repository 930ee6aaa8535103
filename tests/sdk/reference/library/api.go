package main

import (
	"encoding/json"
	"net/http"

	"github.com/centrifugal/centrifuge"
)

// call has the fields of all methods.
type call struct {
	Channel      string                 `json:"channel"`
	Channels     []string               `json:"channels"`
	User         string                 `json:"user"`
	Data         json.RawMessage        `json:"data"`
	Info         json.RawMessage        `json:"info"`
	Tags         map[string]string      `json:"tags"`
	SkipHistory  bool                   `json:"skip_history"`
	Version      uint64                 `json:"version"`
	VersionEpoch string                 `json:"version_epoch"`
	ExpireAt     int64                  `json:"expire_at"`
	Disconnect   *centrifuge.Disconnect `json:"disconnect"`
	RecoverSince *struct {
		Offset uint64 `json:"offset"`
		Epoch  string `json:"epoch"`
	} `json:"recover_since"`
	Override struct {
		ForceRecovery struct {
			Value bool `json:"value"`
		} `json:"force_recovery"`
	} `json:"override"`
}

// api answers a call as Centrifugo does, by what the library gives.
func api(node *centrifuge.Node, w http.ResponseWriter, r *http.Request) {
	var call call
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	result, err := call.run(node, r.PathValue("method"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"result": result})
}

func (c *call) run(node *centrifuge.Node, method string) (any, error) {
	nothing := struct{}{}
	switch method {
	case "publish":
		return c.publish(node, c.Channel)
	case "broadcast":
		var responses []any
		for _, channel := range c.Channels {
			result, err := c.publish(node, channel)
			if err != nil {
				return nil, err
			}
			responses = append(responses, map[string]any{"result": result})
		}
		return map[string]any{"responses": responses}, nil
	case "subscribe":
		options, _ := of(c.Channel)
		recovers := options.forced || c.Override.ForceRecovery.Value
		all := []centrifuge.SubscribeOption{
			centrifuge.WithSubscribeData(c.Data), centrifuge.WithChannelInfo(c.Info), centrifuge.WithRecovery(recovers),
			centrifuge.WithEmitPresence(options.presence), centrifuge.WithEmitJoinLeave(options.presence),
			centrifuge.WithPushJoinLeave(options.presence && options.forced),
		}
		if c.RecoverSince != nil {
			since := centrifuge.StreamPosition{Offset: c.RecoverSince.Offset, Epoch: c.RecoverSince.Epoch}
			all = append(all, centrifuge.WithRecoverSince(&since))
		}
		return nothing, node.Subscribe(c.User, c.Channel, all...)
	case "unsubscribe":
		return nothing, node.Unsubscribe(c.User, c.Channel)
	case "refresh":
		return nothing, node.Refresh(c.User, centrifuge.WithRefreshExpireAt(c.ExpireAt))
	case "disconnect":
		disconnect := centrifuge.DisconnectForceNoReconnect
		if c.Disconnect != nil {
			disconnect = *c.Disconnect
		}
		return nothing, node.Disconnect(c.User, centrifuge.WithCustomDisconnect(disconnect))
	case "history_remove":
		return nothing, node.RemoveHistory(c.Channel)
	default:
		clients := map[string]any{"num_clients": node.Hub().NumClients()}
		return map[string]any{"nodes": []any{clients}}, nil
	}
}

func (c *call) publish(node *centrifuge.Node, channel string) (any, error) {
	options, _ := of(channel)
	size := options.history
	if c.SkipHistory {
		size = 0
	}
	result, err := node.Publish(channel, c.Data, centrifuge.WithHistory(size, ttl), centrifuge.WithTags(c.Tags),
		centrifuge.WithVersion(c.Version, c.VersionEpoch))
	if err != nil {
		return nil, err
	}
	position := struct {
		Offset uint64 `json:"offset,omitempty"`
		Epoch  string `json:"epoch,omitempty"`
	}{result.Offset, result.Epoch}
	return position, nil
}
