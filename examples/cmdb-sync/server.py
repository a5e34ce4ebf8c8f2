#!/usr/bin/env python3
"""A little service catalog: services.json over HTTP, two a page.

Usage: ./server.py [PORT]

Listens on 127.0.0.1 only, port 8765 unless another one is given (0: any that
is free), and prints its URL. Wants the token that $CATALOG_TOKEN holds. Reads
services.json for each request, so edit it while the server runs.
"""
import http.server
import json
import os
import sys
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = 2
TOKEN = os.environ.get("CATALOG_TOKEN")


def services():
    with open(os.path.join(HERE, "services.json")) as file:
        return json.load(file)


class Catalog(http.server.BaseHTTPRequestHandler):
    def answer(self, code, document):
        body = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        at = int(urllib.parse.parse_qs(url.query).get("from", ["0"])[0])
        if self.headers["Authorization"] != "Bearer " + TOKEN:
            self.answer(401, {"error": "no such token"})
        elif url.path != "/services":
            self.answer(404, {"error": "there is /services only"})
        else:
            items = services()
            more = at + PAGE < len(items)
            self.answer(200, {
                "items": items[at:at + PAGE],
                "next": "/services?from=%d" % (at + PAGE) if more else None})

    def log_message(self, *args):
        pass


if not TOKEN:
    sys.exit("server.py: $CATALOG_TOKEN is not set")
port = int(sys.argv[1]) if len(sys.argv) > 1 else 8765
server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Catalog)
print("http://127.0.0.1:%d/services" % server.server_address[1], flush=True)
server.serve_forever()
