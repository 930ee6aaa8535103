// A peer for the bench: a bare server by uWebSockets. It speaks the wire of the floor in WebSocket messages: the first
// message of a connection says what it is, `E` is echoed, `S` subscribes, `P` publishes to all subscribers, and the
// message comes back once the connection is that. No tokens, no protocol, one channel.

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "App.h"

namespace {

struct Conn {
    char role = 0;
};

constexpr auto channel = "loadgen";

}  // namespace

int main(int count, char **arguments) {
    if (count > 1 && std::string_view(arguments[1]) == "--version") {
        std::puts("uWebSockets, as in libuwebsockets-sys 0.0.10");
        return 0;
    }
    const int port = count > 1 ? std::atoi(arguments[1]) : 18001;
    uWS::App app;
    app.ws<Conn>("/*", {
        .compression = uWS::DISABLED,
        .maxPayloadLength = 1 << 20,
        // No pings while it is measured.
        .idleTimeout = 0,
        // What may wait for a slow subscriber, bytes.
        .maxBackpressure = 64 << 20,
        .sendPingsAutomatically = false,
        .message = [&app](auto *socket, std::string_view message, uWS::OpCode opcode) {
            Conn &conn = *socket->getUserData();
            if (conn.role == 0 && !message.empty()) {
                conn.role = message[0];
                if (conn.role == 'S') {
                    socket->subscribe(channel);
                }
                socket->send(message, opcode);
            } else if (conn.role == 'P') {
                app.publish(channel, message, opcode);
            } else if (conn.role == 'E') {
                socket->send(message, opcode);
            }
        },
    });
    app.listen("127.0.0.1", port, [](auto *listener) {
        if (!listener) {
            std::exit(1);
        }
    });
    app.run();
}
