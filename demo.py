"""The live pages: draw a character and look inside the network, and watch a training (the paper's page and its site).

    python demo.py [--model model.doc] [--metadata metadata.doc] [--host 127.0.0.1] [--port 8000]

GET / is pages/draw.html, GET /training is pages/training.html. POST /classify?model=NAME takes a PNG and answers as
JSON: {"label": "0", "probabilities": {"0": 0.98, "1": 0.02}, "blank": false}; with &inside=1 also each step's numbers.
GET /choices lists the models and some pictures to try; GET /progress?after=N says how a training goes on. Nothing that
is sent is kept. waitress serves, where it is installed (requirements-demo.txt), otherwise Python's own wsgiref.
Nothing but its tests imports it.
"""

from support.commandline import ROOT, Parser, command, explain, ours, run

import base64
import contextlib
import functools
import io
import ipaddress
import json
import logging
import os
import socket
import stat
import sys
import threading
import time
import warnings
from array import array
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from socketserver import ThreadingMixIn
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import numpy as np
from PIL import Image, PngImagePlugin

import cnn
import preprocessing
from metadata import Follower, find_right, read_header
from model import labels_of, parts_of, read_model
from training import read_settings
from support.files import InputError
from support.pictures import find_pictures

try:
    import waitress
except ImportError:
    waitress = None

LARGEST_BODY = 200_000  # bytes of a picture
LARGEST_HEAD = 16_384  # bytes of a request's first line and headers
LARGEST_SIDE = 1_024  # pixels
AT_ONCE = 256 * 256  # pixels: larger pictures, which the page never sends, are opened one by one, in one thread
LARGE = ThreadPoolExecutor(1)  # since each thread that opens one keeps some 20 MB
LIMIT = 10  # seconds for a client that stalls
SAMPLES = 2  # pictures of a label to try

DOT = 10  # generations from one dot of a graph to the next, at first
DOTS = 2_000  # at most; from there on every second one is left out
WINDOW = 100  # generations that a dot averages, as in the paper
SHARE = 0.01  # of the time, at most, goes into reading the model again while it is trained; the same for the settings

KINDS = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript"}
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class RequestError(InputError):
    """A request that cannot be answered: its HTTP status, and what was expected."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


# The models, and what they make of a picture


@functools.lru_cache(maxsize=32)
def read_once(path, mark):
    """The model at `path`; `mark` tells its versions apart."""
    return read_model(path)


def mark_of(path):
    """What changes with a file's content, as text. Raises InputError where it is none: a pipe may never be read."""
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path}: expected a file, found a folder, pipe or device")
    return f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino}"


def find_models(path):
    """The models to choose from, {name: path}: that of --model first, then those in models/."""
    found = {os.path.basename(path): path}
    for other in sorted(Path(ours("models")).glob("*.doc")):
        found.setdefault(other.name, str(other))
    return found


def choices(models):
    """The models as {"name", "labels"}, and some pictures of dataset/ as {"label", "picture"}, a data URL."""
    found = []
    for name, path in models.items():
        with contextlib.suppress(InputError, OSError):  # gone, or broken: not to be chosen
            found.append({"name": name, "labels": labels_of(read_once(path, mark_of(path)))})
    labels = dict.fromkeys(label for model in found for label in model["labels"])
    return {"models": found, "samples": [sample for label in labels for sample in samples_of(label)]}


@functools.lru_cache(maxsize=100)
def samples_of(label):
    """Some pictures of a label from dataset/."""
    try:
        paths = find_pictures(ours("dataset"), label) if Path(label).name == label else []  # no ../ leads elsewhere
        chosen = paths[:: max(1, len(paths) // SAMPLES)][:SAMPLES]
        return [{"label": label, "picture": f"data:image/png;base64,{in_base64(Path(path).read_bytes())}"}
                for path in chosen]  # fmt: skip
    except (InputError, OSError):
        return []


def classify(data, model, inside=False):
    """What a model makes of `data`, the bytes of a PNG file: its label, each label's probability, whether it is blank.

    With `inside` also every step of the network. Raises RequestError where it is no picture.
    """
    picture = read_picture(data)
    step, parts = cnn.forward(cnn.read_pixels(picture), model), parts_of(model)
    answer = {
        "label": parts.labels[step.softmax.argmax()],
        "probabilities": dict(zip(parts.labels, step.softmax.tolist())),
        "blank": preprocessing.is_blank(picture),
    }
    if inside:
        arrays = ("pixels", "maps_1", "pooled_1", "maps_2", "pooled_2")
        numbers = {name: in_numbers(getattr(step, name)) for name in arrays}
        answer["inside"] = {**numbers, **weights_of(parts), "labels": parts.labels, "output_sum": parts.output_sum,
                            "sums": step.sums, "outputs": step.outputs, "scaled": step.scaled,
                            "softmax": step.softmax.tolist()}  # fmt: skip
    return answer


def read_picture(data):
    """The bytes of a PNG file as the network gets them: a 32x32 RGB image, trimmed to its ink."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:  # nothing is decoded yet
            if max(image.size) > LARGEST_SIDE:
                raise RequestError(413, f"expected a picture of at most {LARGEST_SIDE:,} pixels a side")
            if image.width * image.height > AT_ONCE:
                return LARGE.submit(preprocessing.fit, image, trim=True).result()
            return preprocessing.fit(image, trim=True)
    except RequestError:
        raise
    except Image.UnidentifiedImageError:
        raise RequestError(415, "expected a PNG picture") from None
    except Exception:  # Pillow's are of many kinds
        raise RequestError(400, "expected a whole PNG picture, found a damaged one") from None


def weights_of(parts):
    """A model's kernels (6, 25), (6, 150) and weights (n, 151), as the pages get them."""
    return {name: in_numbers(getattr(parts, name)) for name in ("kernels_1", "kernels_2", "weights")}


def in_numbers(values):
    """An array as 32-bit floats in base64: exact for whole numbers up to 16 million, and quickly written and read."""
    return in_base64(np.ascontiguousarray(values, "<f4").tobytes())


def in_base64(data):
    return base64.b64encode(data).decode()


# The training that goes on


class Training:
    """How the training goes on whose log and model are written: what came since it was asked last is read, no more."""

    def __init__(self, metadata_file, model_file):
        self.metadata_file, self.model_file = metadata_file, model_file
        self.follower, self.lock = Follower(metadata_file), threading.Lock()
        self.clear()

    def clear(self):
        """Nothing is known of any row."""
        self.begun, self.generation = self.follower.begun, 0
        self.sums = array("d", [0]), array("d", [0])  # of cross entropy and of right answers, up to each generation
        self.rows, self.speed = deque(maxlen=WINDOW), deque(maxlen=20)  # speed: (seconds, generation) as seen
        self.read_model = seldom(self.model_file, self.model_now)
        self.read_settings = seldom(path_of(self.metadata_file), lambda: read_settings(self.metadata_file))

    def progress(self, after=0):
        """What GET /progress answers: see pages/training.js; of the graphs' dots those after generation `after`."""
        with self.lock:
            try:
                mark_of(self.metadata_file)  # a pipe or device is refused
                self.catch_up()
                started, generation = read_header(self.metadata_file)
            except FileNotFoundError:
                return {"type": [command(ours("controller.py"))]}
            changed = os.stat(self.metadata_file).st_mtime
            step, dots = self.dots(after)
            return {
                "log": self.metadata_file, "begun": f"{started}-{self.begun}", "started": started,
                "generation": self.generation or generation or 0, "silent": max(0, time.time() - changed),
                "settings": self.read_settings() or {}, "rate": self.rate(changed), "step": step, "dots": dots,
                "recent": self.recent(), "rows": [[*row] for row in list(self.rows)[-8:]], "model": self.read_model(),
                "type": [command(ours("controller.py")), command(ours("controller.py"), "--resume")],
            }  # fmt: skip

    def catch_up(self):
        """Read the rows that came since."""
        for rows in self.follower.blocks():
            if self.begun != self.follower.begun:
                self.clear()
            if not len(rows):
                continue
            right = find_right(rows)
            for sums, values in zip(self.sums, (rows["cross_entropy"], right)):
                sums.extend((sums[-1] + np.cumsum(values)).tolist())
            self.generation = int(rows["generation"][-1])
            self.rows.extend(zip(*(rows[-WINDOW:][name].tolist() for name in rows.dtype.names),
                                 right[-WINDOW:].tolist()))  # fmt: skip

    def dots(self, after):
        """The generations from dot to dot, and the dots: [generation, mean cross entropy, percentage right]."""
        count, step = len(self.sums[0]) - 1, DOT
        while count // step > DOTS:
            step *= 2
        first = self.generation - count  # a log's first generation, less 1
        ends = np.arange(max(0, after - first) // step + 1, count // step + 1) * step
        starts = np.maximum(ends - WINDOW, 0)
        error, right = ((sums[ends] - sums[starts]) / (ends - starts) for sums in map(np.array, self.sums))
        return step, list(zip((ends + first).tolist(), error.round(4).tolist(), (100 * right).round(1).tolist()))

    def recent(self):
        """[mean cross entropy, right answers, of how many generations], the last ones; None before the first."""
        rows = self.rows
        return [sum(row[2] for row in rows) / len(rows), sum(row[-1] for row in rows), len(rows)] if rows else None

    def rate(self, changed):
        """Generations a second, as seen in the last minute or less; None where it is not known."""
        if not self.speed or changed != self.speed[-1][0]:
            if self.speed and changed - self.speed[-1][0] > LIMIT:
                self.speed.clear()  # it stood still
            self.speed.append((changed, self.generation))
        (since, before), (until, now) = self.speed[0], self.speed[-1]
        return (now - before) / (until - since) if until > since and now > before else None

    def model_now(self):
        """The labels, kernels and weights of the model."""
        try:
            parts = parts_of(read_once(self.model_file, mark_of(self.model_file)))
        except (InputError, OSError):
            return None
        return {"labels": parts.labels, **weights_of(parts)}


def seldom(path, read):
    """A function that gives read(), called again once the file at `path` changed, but at most SHARE of the time."""
    value, mark, after = None, None, 0

    def get():
        nonlocal value, mark, after
        now = time.monotonic()
        if not os.path.exists(path):
            value, mark, after = None, None, 0
        elif now >= after and mark_of(path) != mark:
            mark, value = mark_of(path), read()
            after = now + (time.monotonic() - now) / SHARE
        return value

    return get


# The application


def make_application(model_file, metadata_file, host):
    """The WSGI application: its routes, {path: (method, function of query and body)}."""
    models, training = find_models(model_file), Training(metadata_file, model_file)

    def ask(query, body):
        name = query.get("model", next(iter(models)))
        if name not in models:
            raise RequestError(404, f"no model is called {name[:40]}")
        return classify(body, read_once(models[name], mark_of(models[name])), "inside" in query)

    routes = {
        **{path: ("GET", functools.partial(page, name)) for path, name in (
            ("/", "draw.html"), ("/training", "training.html"),
            *((f"/{name}", name) for name in ("draw.js", "training.js", "shared.js", "style.css")))},
        "/choices": ("GET", lambda query, body: choices(models)),
        "/classify": ("POST", ask),
        "/progress": ("GET", lambda query, body: training.progress(whole_number(query.get("after", "0")))),
    }  # fmt: skip
    names = {host.lower(), "localhost", socket.gethostname().lower(), f"{socket.gethostname().lower()}.local"}
    return functools.partial(application, routes, names)


def application(routes, names, environ, start_response):
    """Answer one request, as PEP 3333 says; what is wrong with it is the answer too, as {"error": "..."}."""
    headers, status, kind = dict(HEADERS), 200, "application/json"
    method = environ["REQUEST_METHOD"]
    try:
        check_sender(environ, names)
        if environ["PATH_INFO"] not in routes:
            raise RequestError(404, "nothing here; expected / or /training")
        expected, function = routes[environ["PATH_INFO"]]
        if method != expected and (method, expected) != ("HEAD", "GET"):
            headers["Allow"] = expected
            raise RequestError(405, f"expected {expected}")
        query = {name: values[-1] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
        answer = function(query, read_body(environ) if expected == "POST" else b"")
    except RequestError as error:
        status, answer = error.status, {"error": str(error)}
    except (InputError, OSError) as error:  # a model or log that is gone or broken
        status, answer = 503, {"error": explain(error)}
    except Exception as error:  # a mistake of ours: nobody sees more of it than this
        print(f"demo.py: {type(error).__name__}: {explain(error)}", file=sys.stderr)
        status, answer = 500, {"error": "the server made a mistake"}
    if isinstance(answer, tuple):
        kind, data = answer
    else:
        data = json.dumps(answer).encode()
    start_response(f"{status} {HTTPStatus(status).phrase}",
                   [("Content-Type", kind), ("Content-Length", str(len(data))), *headers.items()])  # fmt: skip
    return [] if method == "HEAD" else [data]


def page(name, query, body):
    """A file of pages/: its kind and its bytes."""
    path = Path(ROOT, "pages", name)
    return KINDS[path.suffix], path.read_bytes()


def check_sender(environ, names):
    """Refuse what another site's page, or a name made to point here, has a browser send."""
    host = environ.get("HTTP_HOST", "").lower()
    name, _, port = host.rpartition(":") if host.rpartition(":")[2].isdigit() else (host, "", "80")
    if port != environ["SERVER_PORT"] or not (name in names or is_address(name)):
        raise RequestError(403, "expected a request by this machine's name or address, and its port")
    if environ.get("HTTP_ORIGIN", f"http://{host}").lower() != f"http://{host}":
        raise RequestError(403, "expected a request from this server's own page")
    followed_link = environ.get("HTTP_SEC_FETCH_MODE") == "navigate" and environ["REQUEST_METHOD"] == "GET"
    if environ.get("HTTP_SEC_FETCH_SITE", "none") not in ("none", "same-origin") and not followed_link:
        raise RequestError(403, "expected a request from this server's own page")


def is_address(name):
    """Whether a host's name is an address in numbers, which nobody can make to point elsewhere."""
    try:
        return bool(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        return False


def read_body(environ):
    """A request's body, as long as its Content-Length says."""
    length = environ.get("CONTENT_LENGTH") or ""
    if "HTTP_TRANSFER_ENCODING" in environ or not length:
        raise RequestError(411, "expected a body with its Content-Length, not in chunks")
    length = whole_number(length)
    if length > LARGEST_BODY:
        raise RequestError(413, f"expected a picture of at most {LARGEST_BODY:,} bytes")
    body = environ["wsgi.input"].read(length)
    if len(body) < length:
        raise RequestError(400, f"expected a body of {length} bytes, found {len(body)}")
    return body


def whole_number(text):
    """A number from a request."""
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise RequestError(400, "expected a whole number")
    return int(text)


# The server


class OwnServer(ThreadingMixIn, WSGIServer):
    """Python's own server, where waitress is missing: a thread and a connection a request, for this machine alone."""

    daemon_threads, block_on_close = True, False
    allow_reuse_address = os.name != "nt"  # there it would let two servers share a port
    request_queue_size = 1024
    run = WSGIServer.serve_forever

    def handle_error(self, request, client_address):
        """A client that left, or that sent too much or too slowly, is nothing to speak of."""


class OwnHandler(WSGIRequestHandler):
    timeout = LIMIT  # for the answer to be taken

    def setup(self):
        super().setup()
        self.rfile = io.BufferedReader(Bounded(self.connection))

    def get_environ(self):
        self.rfile.raw.left += LARGEST_BODY  # the head is read
        return super().get_environ()

    def get_stderr(self):
        return io.StringIO()  # no traceback where a client leaves

    def log_message(self, *arguments):
        pass


class Bounded(io.RawIOBase):
    """What a client sends, as a file: so many bytes, within LIMIT seconds. Raises OSError beyond."""

    def __init__(self, connection):
        self.connection, self.left, self.end = connection, LARGEST_HEAD, time.monotonic() + LIMIT

    def readable(self):
        return True

    def readinto(self, buffer):
        seconds = self.end - time.monotonic()
        if seconds <= 0 or self.left <= 0:
            raise ConnectionAbortedError
        self.connection.settimeout(seconds)
        size = self.connection.recv_into(memoryview(buffer)[: self.left])
        self.left -= size
        self.connection.settimeout(LIMIT)
        return size


def one_by_one(channel, request):
    """A task of waitress's: where more was asked before this is answered, it is the last answer on its connection.

    waitress would keep all the answers for who asks on and on and reads none, and its threads would wait for him.
    """
    if len(channel.requests) > 1:
        request.headers["CONNECTION"] = "close"
    return waitress.task.WSGITask(channel, request)


def make_server(app, host, port):
    """The server at host and port (0: any that is free); its run() serves until Ctrl-C. Raises InputError."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        if waitress:
            logging.getLogger("waitress").setLevel(logging.CRITICAL + 1)
            waitress.channel.HTTPChannel.task_class = staticmethod(one_by_one)
            return waitress.create_server(
                app, host=address[0], port=port, threads=40, connection_limit=400, asyncore_use_poll=True,
                channel_timeout=LIMIT, cleanup_interval=2, max_request_header_size=LARGEST_HEAD,
                max_request_body_size=LARGEST_BODY + 1, inbuf_overflow=LARGEST_BODY * 2, ident=None,
            )  # fmt: skip
        if not ipaddress.ip_address(address[0]).is_loopback:
            ways = f"{command('-m', 'pip', 'install', 'waitress')}, or sudo apt install python3-waitress"
            raise InputError(f"--host {host}: others than this machine need waitress; install it with {ways}")
        OwnServer.address_family = family
        server = OwnServer(address[:2], OwnHandler)
        server.set_app(app)
        return server
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not an address"
        raise InputError(f"{host}, port {port}: {reason}; choose another --host or --port") from None


def addresses(host, port):
    """Where the pages are to be found: on this machine, and, where all its addresses are served, on others."""
    if host not in ("0.0.0.0", "::"):
        return [f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"]
    own = socket.gethostname()
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # nothing is sent; the system says by which address it would go
        own = probe.getsockname()[0]
    return [f"http://localhost:{port}/", f"http://{own}:{port}/"]


def main():
    parser = Parser(
        "Serve two pages: to draw a character and see what the network makes of it, and to watch a training."
    )
    add = parser.add_argument
    add("--model", default="model.doc", metavar="FILE", help="the model to ask (default: model.doc)")
    add("--metadata", default="metadata.doc", metavar="FILE", help="the log to follow (default: metadata.doc)")
    add("--host", default="127.0.0.1", metavar="H", help="the address to serve (default: 127.0.0.1, for this machine "
        "alone; 0.0.0.0: for its network)")  # fmt: skip
    add("--port", type=int, default=8000, metavar="P", help="its port (default: 8000; 0: any that is free)")
    options = parser.parse_args()
    if not 0 <= options.port <= 65535:
        parser.error(f"--port: expected 0 to 65535, found {options.port}")
    if options.model != "model.doc" or os.path.exists(options.model):  # there need not be one before a training
        read_model(options.model)
    warnings.simplefilter("ignore")  # Pillow's, of odd pictures; for all threads at once
    PngImagePlugin.MAX_TEXT_MEMORY = PngImagePlugin.MAX_TEXT_CHUNK  # a megabyte: a picture needs no text
    server = make_server(make_application(options.model, options.metadata, options.host), options.host, options.port)
    here, *elsewhere = addresses(options.host, server.socket.getsockname()[1])
    others = f", on a phone in the same network {elsewhere[0]}" if elsewhere else ""
    print(f"open {here} in a browser{others}; Ctrl-C ends this", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()


if __name__ == "__main__":
    run(main)
