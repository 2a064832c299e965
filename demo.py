"""The paper's live page and progress page: draw a character and look inside the network; watch a training.

    python demo.py [--model model.doc] [--metadata metadata.doc] [--host 127.0.0.1] [--port 8000]

GET / is pages/draw.html, GET /training is pages/training.html. POST /classify?model=NAME takes a PNG and answers with
JSON: {"label": "0", "probabilities": {"0": 0.98, "1": 0.02}, "blank": false, "doubtful": false}; with &inside=1 also
the numbers of every step, with &blocks=1 what each block of 2x2 pixels would change. GET /choices lists the models and
pictures to try; GET /progress says how a training is going. Nothing that is sent is kept. For this machine alone
Python's own server is enough; for others waitress serves (requirements-extras.txt).
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # several answers are worked out at once, a thread each
import base64
import contextlib
import functools
import gzip
import io
import ipaddress
import json
import logging
import socket
import sys
import threading
import warnings
from http import HTTPStatus
from pathlib import Path
from socketserver import ThreadingMixIn
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import numpy as np
from PIL import Image

import cnn
import preprocessing
from metadata import find_right, read_header, read_settings, read_windows
from model import parts_of, read_model
from support.commandline import ROOT, Parser, command, explain, install, ours, run
from support.files import InputError, check_regular
from support.ink import find_ink
from support.pictures import find_pictures

LARGEST_BODY = 300_000  # bytes of a picture
LARGEST_SIDE = 1_024  # pixels
DRAINED = 20_000_000  # bytes of a body that is too large; unless they are read, a browser never shows our answer
LIMIT = 10  # seconds that a client may do nothing
SAMPLES = 2  # pictures of a label to try
SIDE = 2  # pixels, of a block of the fitted picture that is inverted
BLOCKS = preprocessing.SIZE // SIDE  # in a row of the picture
DOTS, WINDOW, SHOWN = 300, 100, 8  # dots in a graph at most, generations that a dot averages, rows of the log
CONNECTIONS = 1_000  # at once: a class of 30 keeps up to 180 open
MODEL, METADATA = "model.doc", "metadata.doc"
LOOKING = threading.Lock()  # what thirty phones ask at once is looked up once
WORTH_WATCHING = ("--train-kernels", "--kernels", "6", "6", "--jitter", "--alpha", "0.0001",
                  "--generations", "100000", "--labels", *"0123456789")  # fmt: skip

TITLES = {"digits.doc": "digits", "characters.doc": "letters and digits", "shipped.doc": "0 and 1, as in the paper",
          "paper.doc": "0 and 1, the paper's own weights", MODEL: "model.doc, trained here"}  # fmt: skip
HOME = "local", "lan", "home", "fritz.box", "home.arpa", "internal"  # domains of home networks
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
def read_once(path, version):
    """Return the model at `path` as Parts. version_of(path) tells its versions apart."""
    return parts_of(read_model(path))


def version_of(path):
    """Return a text that changes when the file changes. Raises InputError for a pipe, which must never be read."""
    check_regular(path)
    found = os.stat(path)
    return f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino}"


def find_models(path):
    """Return {name: path} of the models to choose from. The first one is the one that the page opens with."""
    found = {name: os.path.join(ours("models"), name) for name in TITLES if name != MODEL}
    own = {os.path.basename(path): path}  # a file of one's own comes before one of the same name in models/
    return {**found, **own} if path == MODEL else {**own, **found, **own}


def choices(models):
    """Return the models and some pictures of dataset/, each picture as a data URL."""
    found = []
    for name, path in models.items():
        with contextlib.suppress(InputError, OSError):  # the file is gone or broken, so it cannot be chosen
            labels = list(read_once(path, version_of(path)).labels)
            found.append({"name": name, "title": TITLES.get(name, name), "labels": labels})
    labels = dict.fromkeys(label for model in found for label in model["labels"])
    return {"models": found, "samples": [sample for label in labels for sample in samples_of(label)]}


@functools.lru_cache(maxsize=100)
def samples_of(label):
    """Return some pictures of a label from dataset/."""
    try:
        paths = find_pictures(ours("dataset"), label) if Path(label).name == label else []  # not ../elsewhere
        chosen = paths[:: max(1, len(paths) // SAMPLES)][:SAMPLES]
        data = [base64.b64encode(Path(path).read_bytes()).decode() for path in chosen]
        return [{"label": label, "picture": f"data:image/png;base64,{text}"} for text in data]
    except (InputError, OSError):
        return []


def classify(data, path, query):
    """Return what the model at `path` makes of the bytes of a PNG file.

    These are the label, the probabilities, whether there is no ink, and whether it is doubtful what is ink. query may
    ask for more. flip=3,40: these blocks of the fitted picture are inverted first. inside: the numbers of every step;
    and the kernels and weights, unless the page has those of version `known`. blocks: see blocks_of().
    """
    version = version_of(path)
    model, picture = read_once(path, version), read_picture(data)
    ink, doubtful = find_ink(picture)
    pixels = cnn.read_pixels(preprocessing.fit_ink(ink)).copy()
    for block in filter(None, query.get("flip", "").split(",")):
        invert(pixels, whole_number(block) % BLOCKS**2)
    steps = cnn.forward(pixels, model)
    probabilities = dict(zip(model.labels, steps.softmax.tolist()))
    answer = {"label": max(probabilities, key=probabilities.get), "probabilities": probabilities,
              "blank": ink is None, "doubtful": doubtful}  # fmt: skip
    if "blocks" in query:
        answer["blocks"] = blocks_of(pixels, model)
    if "inside" in query:
        arrays = ("pixels", "maps_1", "pooled_1", "maps_2", "pooled_2")
        answer["inside"] = {**{name: in_base64(getattr(steps, name)) for name in arrays}, "labels": list(model.labels),
                            "output_sum": model.output_sum, "sums": steps.sums, "outputs": steps.outputs,
                            "scaled": steps.scaled, "softmax": steps.softmax.tolist(), "version": version,
                            **(weights_of(model) if version != query.get("known") else {})}  # fmt: skip
    return answer


def blocks_of(pixels, model):
    """Return for each block of 2x2 pixels what the answer would be if this block alone were inverted.

    That is [label, by how much the scaled output of the present answer leads the largest other one], from 256 real
    forward passes, row by row. A gradient would be faster, but says little about so large a change.
    """
    found, best = [], cnn.forward(pixels, model).softmax.argmax()
    for block in range(BLOCKS**2):
        invert(pixels, block)
        steps = cnn.forward(pixels, model)
        invert(pixels, block)
        lead = steps.scaled[best] - max(np.delete(steps.scaled, best))
        found.append([model.labels[steps.softmax.argmax()], float(lead)])
    return found


def invert(pixels, block):
    """Turn black to white and white to black in one block of the pixels (32, 32), in place."""
    row, column = np.multiply(divmod(block, BLOCKS), SIDE)
    part = pixels[row : row + SIDE, column : column + SIDE]
    part[...] = 255 - part


def read_picture(data):
    """Return the picture in the bytes of a PNG file."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:  # nothing is decoded yet
            if max(image.size) > LARGEST_SIDE:
                raise RequestError(413, f"expected a picture of at most {LARGEST_SIDE:,} pixels a side")
            return preprocessing.on_white(image)
    except RequestError:
        raise
    except Image.UnidentifiedImageError:
        raise RequestError(415, "expected a PNG picture") from None
    except Exception:  # Pillow has many kinds of errors
        raise RequestError(400, "expected a whole PNG picture, found a damaged one") from None


def weights_of(model):
    """Return the kernels and the weights of a model, as the pages get them."""
    return {name: in_base64(getattr(model, name)) for name in ("kernels_1", "kernels_2", "weights")}


def in_base64(values):
    """Return an array as 32-bit floats in base64, which is quickly written and read."""
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()


# The training that is running


def progress(metadata_file, model_file, known=None):
    """Return what GET /progress answers (pages/training.js): how far the training of a log is, and its model.

    known: the version of the model that the page has; the numbers of a newer one are sent, none if it is None. `start`
    is the command of a training that is worth watching, `resume` the one that continues this, None where that fails.
    """
    named = [] if metadata_file == METADATA else ["--metadata", metadata_file]
    others = [] if model_file == MODEL else ["--model", model_file]
    answer = {"start": command(ours("controller.py"), *WORTH_WATCHING, *named, *others), "resume": None, "model": None}
    with contextlib.suppress(InputError, OSError):  # there is no model yet, or it is broken
        version = version_of(model_file)
        parts = read_once(model_file, version)
        news = weights_of(parts) if known not in (None, version) else {}
        answer["model"] = {"name": os.path.basename(model_file), "version": version, "labels": parts.labels, **news}
    with contextlib.suppress(FileNotFoundError), LOOKING:
        answer.update(look_at(metadata_file, version_of(metadata_file)))
        answer["resume"] = command(ours("controller.py"), *named, "--resume") if answer["settings"] else None
    return answer


@functools.lru_cache(maxsize=4)
def look_at(path, version):
    """Return what a log says at this moment. version_of(path) tells its versions apart.

    These are its settings, if they are known, its last rows, and up to DOTS dots of the graphs, evenly spread:
    [generation, mean cross entropy, percentage right], over the WINDOW generations before each.
    """
    started, generation = read_header(path)
    parts = [(rows, find_right(rows)) for rows in read_windows(path, DOTS, WINDOW)]
    dots = {int(rows["generation"][-1]): [float(rows["cross_entropy"].mean()), 100 * float(right.mean())]
            for rows, right in parts}  # fmt: skip
    found = {
        "log": path, "started": started, "settings": read_settings(path), "recent": None, "rows": [],
        "generation": max(dots, default=generation or 0), "dots": [[place, *dot] for place, dot in dots.items()],
    }  # fmt: skip
    if parts:
        rows, right = parts[-1]
        found["recent"] = [float(rows["cross_entropy"].mean()), int(right.sum()), len(rows)]
        found["rows"] = [[*row, bool(was_right)] for row, was_right in zip(rows.tolist()[-SHOWN:], right[-SHOWN:])]
    return found


# The application


def make_application(model_file, metadata_file, host):
    """Return the WSGI application. Its routes are {path: (method, function of query and body)}."""
    models = find_models(model_file)

    def ask(query, body):
        name = query.get("model", next(iter(models)))
        if name not in models:
            raise RequestError(404, f"no model is called {name[:40]}")
        return classify(body, models[name], query)

    names = "draw.js", "training.js", "shared.js", "style.css"
    pages = {"/": "draw.html", "/training": "training.html", **{f"/{name}": name for name in names}}
    routes = {**{path: ("GET", functools.partial(page, name)) for path, name in pages.items()},
              "/choices": ("GET", lambda query, body: choices(models)), "/classify": ("POST", ask),
              "/progress": ("GET", lambda query, body: progress(metadata_file, model_file, query.get("known"))),
              }  # fmt: skip
    own = socket.gethostname().lower().partition(".")[0]
    hosts = {host.lower(), "localhost", own, *(f"{own}.{domain}" for domain in HOME)}
    return functools.partial(application, routes, hosts)


def application(routes, hosts, environ, start_response):
    """Answer one request, as PEP 3333 says. If something is wrong, the answer is {"error": "..."}."""
    headers, status, kind = dict(HEADERS), 200, "application/json"
    method = environ["REQUEST_METHOD"]
    try:
        check_sender(environ, hosts)
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
    except (InputError, OSError) as error:  # a model or a log that is gone or broken
        status, answer = 503, {"error": explain(error)}
    except Exception as error:  # a mistake of this program; the browser sees no more of it than this
        print(f"demo.py: {type(error).__name__}: {explain(error)}", file=sys.stderr)
        status, answer = 500, {"error": "the server made a mistake"}
    kind, data = answer if isinstance(answer, tuple) else (kind, json.dumps(answer).encode())
    if "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
        headers["Content-Encoding"], data = "gzip", gzip.compress(data, 1)
    headers.update({"Content-Type": kind, "Content-Length": str(len(data))})
    start_response(f"{status} {HTTPStatus(status).phrase}", list(headers.items()))
    return [] if method == "HEAD" else [data]


def page(name, query, body):
    """Return a file of pages/: its kind and its bytes."""
    path = Path(ROOT, "pages", name)
    return KINDS[path.suffix], path.read_bytes()


def check_sender(environ, hosts):
    """Refuse requests from pages of other sites, and requests to unknown names (DNS rebinding)."""
    host = environ.get("HTTP_HOST", "").lower()
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if not (name in hosts or is_address(name)):
        raise RequestError(403, "expected a request by this machine's name or address")
    if environ.get("HTTP_ORIGIN", f"http://{host}").lower() != f"http://{host}":
        raise RequestError(403, "expected a request from this server's own page")


def is_address(name):
    """Tell whether a host's name is an address in numbers, which nobody can make to point elsewhere."""
    try:
        return bool(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        return False


def read_body(environ):
    """Return the body of a request, which must be as long as its Content-Length says."""
    length = environ.get("CONTENT_LENGTH") or ""
    if "HTTP_TRANSFER_ENCODING" in environ or not length:
        raise RequestError(411, "expected a body with its Content-Length, not in chunks")
    length = whole_number(length)
    if length > LARGEST_BODY:
        for _ in range(min(length, DRAINED) // LARGEST_BODY):
            environ["wsgi.input"].read(LARGEST_BODY)
        raise RequestError(413, f"expected a picture of at most {LARGEST_BODY:,} bytes")
    body = environ["wsgi.input"].read(length)
    if len(body) < length:
        raise RequestError(400, f"expected a body of {length} bytes, found {len(body)}")
    return body


def whole_number(text):
    """Return a number from a request."""
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise RequestError(400, "expected a whole number")
    return int(text)


# The server


class OwnServer(ThreadingMixIn, WSGIServer):
    """Python's own server, with a thread for each connection, for this machine alone."""

    daemon_threads, block_on_close = True, False
    allow_reuse_address = os.name != "nt"  # on Windows it would let two servers take one port
    run = WSGIServer.serve_forever

    def handle_error(self, request, client_address):
        """Say nothing: a client left, or sent too slowly."""


class OwnHandler(WSGIRequestHandler):
    timeout = LIMIT

    def get_stderr(self):
        return io.StringIO()

    def log_message(self, *arguments):
        pass


def make_server(app, host, port):
    """Return the server at host and port (0: any free one). Its run() serves until Ctrl-C. Raises InputError."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        if ipaddress.ip_address(address[0]).is_loopback:
            OwnServer.address_family = family
            server = OwnServer(address[:2], OwnHandler)
            server.set_app(app)
            return server
        import waitress  # noqa: PLC0415, an extra

        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # it warns of every request that waits
        return waitress.create_server(app, host=address[0], port=port, threads=8, ident=None, channel_timeout=LIMIT,
                                      cleanup_interval=LIMIT // 2, connection_limit=CONNECTIONS, asyncore_use_poll=True,
                                      max_request_body_size=DRAINED)  # fmt: skip
    except ImportError:
        raise InputError(f"--host {host}: other machines are served by waitress: {install('waitress')}") from None
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not an address"
        raise InputError(f"{host}, port {port}: {reason}; choose another --host or --port") from None


def addresses(host, port):
    """Return the addresses of the pages: on this machine and, if all its addresses are served, on others."""
    if host not in ("0.0.0.0", "::"):
        return [f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"]
    own = socket.gethostname()
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # nothing is sent; the system says from which address it would send
        own = probe.getsockname()[0]
    return [f"http://localhost:{port}/", f"http://{own}:{port}/"]


def main():
    parser = Parser("Serve two pages: one to draw on and see what the network makes of it, one to watch a training.")
    add = parser.add_argument
    add("--model", default=MODEL, metavar="FILE", help="your own model, beside those of models/ (default: model.doc)")
    add("--metadata", default=METADATA, metavar="FILE", help="the log to follow (default: metadata.doc)")
    add("--host", default="127.0.0.1", metavar="H", help="the address to serve (default: 127.0.0.1, for this machine "
        "alone; 0.0.0.0: for its network)")  # fmt: skip
    add("--port", type=int, default=8000, metavar="P", help="its port (default: 8000; 0: any free one)")
    options = parser.parse_args()
    if not 0 <= options.port <= 65535:
        parser.error(f"--port: expected 0 to 65535, found {options.port}")
    if os.path.exists(options.model):
        read_model(options.model)  # a broken model is said at once
    else:
        print(f"{options.model} does not exist yet; it can be chosen once a training has written it")
    warnings.simplefilter("ignore")  # Pillow warns of odd pictures; this is for all threads
    server = make_server(make_application(options.model, options.metadata, options.host), options.host, options.port)
    here, *elsewhere = addresses(options.host, server.socket.getsockname()[1])
    others = f", on a phone in the same network {elsewhere[0]}" if elsewhere else ""
    print(f"open {here} in a browser{others}; Ctrl-C ends this", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()


if __name__ == "__main__":
    run(main)
