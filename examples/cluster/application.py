#!/usr/bin/env python3
"""The application that webhooks of the role notify go to: it prints what they tell. `run` starts it.

    application.py PORT SECRET

A real one would use a library of Standard Webhooks, and have APNs or FCM push.
"""

import base64
import hashlib
import hmac
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, SECRET = int(sys.argv[1]), sys.argv[2]
KEY = base64.b64decode(SECRET.removeprefix("whsec_"))
TOLERANCE_S = 300
BODY_BYTES_MAX = 1 << 20


def is_genuine(headers, body):
    """Whether the node has signed it, and not long ago."""
    told, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not at.isdigit() or abs(time.time() - int(at)) > TOLERANCE_S:
        return False
    mac = hmac.new(KEY, f"{told}.{at}.".encode() + body, hashlib.sha256).digest()
    right = "v1," + base64.b64encode(mac).decode()
    return any(hmac.compare_digest(given, right) for given in headers.get("webhook-signature", "").split())


def line(notification):
    """What would be on a phone."""
    user, badge, message = notification["user"], notification["badge"], notification.get("message")
    if message is None:
        return f"user {user}: take notifications off the screen, badge {badge}"
    text = json.dumps(message.get("data"), ensure_ascii=False)
    return f"user {user}: {notification['count']} message(s), the newest in {message['channel']}: {text}, badge {badge}"


class Webhooks(BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length) if length <= BODY_BYTES_MAX else b""
        status = 204 if is_genuine(self.headers, body) else 401
        if status == 204:
            for notification in json.loads(body)["data"]["notifications"]:
                print("push to", line(notification), flush=True)
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", PORT), Webhooks).serve_forever()
