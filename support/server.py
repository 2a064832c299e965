"""A small web server for a few fixed paths, that no client can stall or crash; demo.py uses it. Not in the paper.

A thread a connection; every answer is whole, every error a short one as JSON: {"error": "..."}.
"""

import contextlib
import io
import json
import os
import re
import socket
import socketserver
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

from support.commandline import explain
from support.files import InputError

LARGEST_BODY = 1_000_000  # bytes
LIMIT = 10  # seconds: for the first byte of a request, from there for all of it, and for its answer to be taken
PARTING = 2  # seconds that a client has to take the answer when its connection ends
CONNECTIONS = 256  # at once; more wait until one ends, which LIMIT sees to


class RequestError(InputError):
    """A request that cannot be answered: its HTTP status, what was expected, and headers that the answer needs."""

    def __init__(self, status, message, **headers):
        super().__init__(message)
        self.status, self.headers = status, headers


class Server(socketserver.ThreadingTCPServer):
    """Serves `routes` at host and port (0: any that is free), with `headers` on each answer; `url` is its address.

    routes: {path: (method, function)}. function(query, body) returns bytes, which are HTML, or what becomes JSON; it
    may raise RequestError, and runs in the connection's thread. Raises InputError where the address cannot be served.
    """

    daemon_threads = True
    allow_reuse_address = os.name != "nt"  # there it would let two servers share a port
    request_queue_size = 128

    def __init__(self, host, port, routes, headers):
        self.routes, self.headers = routes, headers
        self.places = threading.Semaphore(CONNECTIONS)
        try:
            self.address_family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            super().__init__(address, Handler)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "not an address"
            raise InputError(f"{host}, port {port}: {reason}; choose another --host or --port") from None
        port = self.server_address[1]
        host = f"[{host}]" if ":" in host else host.lower()
        names = {host, "localhost", "127.0.0.1", "[::1]"}
        self.hosts = {f"{name}:{port}" for name in names} | (names if port == 80 else set())
        if self.server_address[0] in ("0.0.0.0", "::"):
            host, self.hosts = "localhost", None  # any
        self.url = f"http://{host}:{port}/"

    def process_request(self, request, client_address):
        self.places.acquire()
        try:
            super().process_request(request, client_address)
        except BaseException:
            self.places.release()
            raise

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.places.release()

    def handle_error(self, request, client_address):
        print(f"{os.path.basename(sys.argv[0])}: {explain(sys.exc_info()[1])}", file=sys.stderr)


class Timed(io.RawIOBase):
    """What a client sends, as a file. Reading raises socket.timeout once the request at hand has taken too long."""

    def __init__(self, connection):
        self.connection = connection

    def restart(self):
        """From here on it is the next request."""
        self.begun, self.end = False, time.monotonic() + LIMIT

    def readable(self):
        return True

    def readinto(self, buffer):
        left = self.end - time.monotonic()
        if left <= 0:
            raise socket.timeout
        self.connection.settimeout(left)
        size = self.connection.recv_into(buffer)
        if not self.begun:
            self.begun, self.end = True, time.monotonic() + LIMIT
        return size


class Handler(BaseHTTPRequestHandler):
    """One connection: its requests, one after the other."""

    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"  # of a first line that names none: its answer has a status too
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.rfile.close()
        self.timed = Timed(self.connection)
        self.rfile = io.BufferedReader(self.timed)
        self.answered = 0

    def handle(self):
        with contextlib.suppress(OSError):  # the client left
            super().handle()

    def handle_one_request(self):
        """Read one request and answer it; what is wrong with it is the answer too."""
        self.command, self.request_version, self.close_connection = None, self.default_request_version, True
        self.timed.restart()
        try:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline:
                return  # the client is done
            if len(self.raw_requestline) > 65536 or not self.raw_requestline.strip():
                self.send_error(400)
            self.parse_request()
            answer = self.respond()
        except RequestError as error:
            answer = error.status, {"error": str(error)}, error.headers
        except socket.timeout:
            if self.answered and not self.timed.begun:
                return  # nothing more was asked
            self.close_connection = True
            answer = 408, {"error": f"expected a whole request within {LIMIT} seconds"}, {}
        self.answer(*answer)
        self.answered += 1

    def send_error(self, code, message=None, explain=None):
        """What the standard library finds wrong with a request."""
        self.close_connection = True
        raise RequestError(code, HTTPStatus(code).phrase)

    def handle_expect_100(self):
        return True  # read_body() tells the client to go on, if it is to

    def respond(self):
        """The status, content and headers that answer a request; a body is read only where it is due."""
        closing = self.close_connection
        self.close_connection = closing or self.headers.get("Content-Length", "0") != "0"  # until the body is read
        self.check_sender()
        path, _, query = self.path.partition("?")
        if path not in self.server.routes:
            raise RequestError(404, f"nothing here; expected {' or '.join(self.server.routes)}")
        method, function = self.server.routes[path]
        if self.command != method and (self.command, method) != ("HEAD", "GET"):
            raise RequestError(405, f"expected {method}", Allow=method)
        body = None
        if method == "POST":
            body = self.read_body()
            self.close_connection = closing
        return 200, function(query, body), {}

    def check_sender(self):
        """Refuse what another site's page, or a name made to point here, has a browser send."""
        broken = self.headers.defects and self.headers.get_content_maintype() != "multipart"  # of which a body is due
        if broken or len(self.headers.get_all("Host", [])) != 1:
            self.send_error(400)
        if "Transfer-Encoding" in self.headers:
            self.close_connection = True
            raise RequestError(411, "expected a body with its Content-Length, not in chunks")
        host = self.headers["Host"].lower()
        if self.server.hosts is not None and host not in self.server.hosts:
            raise RequestError(403, f"expected a request to {self.server.url}")
        if self.headers.get("Origin", f"http://{host}").lower().partition("://")[2] != host:
            raise RequestError(403, "expected a request from this server's own page")

    def read_body(self):
        """The request's body, as long as its Content-Length says."""
        lengths = set(self.headers.get_all("Content-Length", []))
        if not lengths:
            raise RequestError(411, "expected a Content-Length")
        length = lengths.pop()
        if lengths or not re.fullmatch("[0-9]+", length):
            raise RequestError(400, "expected one Content-Length, a whole number")
        if len(length) > 18 or int(length) > LARGEST_BODY:
            raise RequestError(413, f"expected a body of at most {LARGEST_BODY:,} bytes")
        if self.headers.get("Expect", "").lower() == "100-continue" and self.request_version > "HTTP/1.0":
            self.send_response_only(100)
            self.end_headers()
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise RequestError(400, f"expected a body of {length} bytes, found {len(body)}")
        return body

    def answer(self, status, content, headers):
        """Send a whole answer."""
        html = isinstance(content, bytes)
        body = content if html else json.dumps(content).encode()
        self.connection.settimeout(LIMIT)
        self.send_response_only(status)
        for name, value in {
            "Content-Type": "text/html; charset=utf-8" if html else "application/json",
            "Content-Length": len(body),
            "Connection": "close" if self.close_connection else "keep-alive",
            **self.server.headers,
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def finish(self):
        """End the connection; what the client still sends is read and dropped, or else it might lose the answer."""
        end = time.monotonic() + PARTING
        with contextlib.suppress(OSError, ValueError):  # ValueError: no time is left
            self.connection.shutdown(socket.SHUT_WR)
            while True:
                self.connection.settimeout(max(0.001, end - time.monotonic()))
                if not self.connection.recv(65536) or time.monotonic() > end:
                    break
        super().finish()
