"""An HTTP server on 127.0.0.1 whose answers are written out by the tests.

A route is a function of a Request, which it answers byte by byte with send()
and what is built on it, so that it can answer wrongly. It runs in the
connection's thread; it may wait for events of the test's, and never sleeps.
"""

import socket
import ssl
import threading


class Request:
    def __init__(self, target, headers, connection):
        self.target = target
        self.path, _, self.query = target.partition("?")
        self.headers = headers
        self.connection = connection
        self.keep = False

    def send(self, data):
        self.connection.sendall(data)

    def head(self, status, fields=()):
        lines = [f"HTTP/1.1 {status}"] + [f"{k}: {v}" for k, v in fields]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode())

    def answer(self, status, body=b"", fields=()):
        """A whole and correct answer; the connection stays."""
        if isinstance(body, str):
            body = body.encode()
        self.head(status, [("Content-Length", len(body))] + list(fields))
        if status.split()[0] not in ("304", "204"):
            self.send(body)
        self.keep = True

    def json(self, body, fields=()):
        self.answer("200 OK", body,
                    [("Content-Type", "application/json")] + list(fields))

    def redirect(self, location, status="302 Found"):
        self.answer(status, b"elsewhere", [("Location", location)])

    def until_gone(self):
        """Wait until the client has closed the connection."""
        try:
            while self.connection.recv(65536):
                pass
        except OSError:
            pass


class Server:
    def __init__(self, tls=None):
        self.routes = {}
        self.requests = []
        self.lock = threading.Lock()
        self.tls = tls
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self, path="/", host="127.0.0.1"):
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{path}"

    def close(self):
        # Closing alone does not wake up who waits in accept().
        if self.listener.fileno() >= 0:
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,),
                             daemon=True).start()

    def serve(self, connection):
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            while self.serve_one(connection):
                pass
        except (OSError, ssl.SSLError):
            pass
        finally:
            connection.close()

    def serve_one(self, connection):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = connection.recv(1)
            if not byte:
                return False
            head += byte
        lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            if name:
                headers[name.lower()] = value.strip()
        request = Request(lines[0].split(" ")[1], headers, connection)
        with self.lock:
            self.requests.append(request)
        route = self.routes.get(request.path)
        if route is None:
            request.answer("404 Not Found", "no such page")
        else:
            route(request)
        return request.keep

    def targets(self):
        with self.lock:
            return [request.target for request in self.requests]
