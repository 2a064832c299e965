"""The live page: draw a character and see what the network makes of it (the paper's web page).

    python demo.py [--model model.doc] [--host 127.0.0.1] [--port 8000]

GET / is demo.html. POST /classify takes a PNG or JPEG picture, and answers as JSON
{"label": "0", "probabilities": {"0": 0.98, "1": 0.02}}; /classify?maps=1 adds pictures of what the network saw.
Nothing that is sent is kept.
"""

from support.commandline import Parser, run  # isort: skip, it is to be first

import base64
import contextlib
import hashlib
import html
import io
import json
import os
import re
import threading
import warnings

import numpy as np
from PIL import Image

import cnn
import preprocessing
from model import labels_of, read_model
from support.pictures import png_bytes
from support.server import RequestError, Server

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pages", "draw.html")
LARGEST_SIDE = 4_000  # pixels
OPENING = threading.Semaphore(2)  # pictures opened at the same time; more wait, since a large one takes some 200 MB


def classify(data, model, maps=False):
    """What POST /classify answers to `data`, the bytes of a PNG or JPEG file: its label, and each label's probability.

    With `maps` also pictures of what the network saw, as data URLs: "seen", the 32x32 picture after trimming, and
    "maps", the six of convolution 1; and "blank", whether no ink was found. Raises RequestError where it is no picture.
    """
    picture = read_picture(data)
    pixels = cnn.read_pixels(picture)  # (32, 32)
    step, labels = cnn.steps(pixels, model), labels_of(model)
    answer = {"label": labels[step.softmax.argmax()], "probabilities": dict(zip(labels, step.softmax.tolist()))}
    if maps:
        largest = step.maps_1.max(axis=(1, 2), keepdims=True)
        shades = (step.maps_1 / np.where(largest > 0, largest, 1) * 255).astype(np.uint8)
        answer["seen"], answer["maps"] = data_url(picture), [data_url(Image.fromarray(shade)) for shade in shades]
        answer["blank"] = preprocessing.is_blank(picture)
    return answer


def read_picture(data):
    """The bytes of a PNG or JPEG file as the network gets them: a 32x32 RGB image, trimmed to its ink."""
    too_large = RequestError(413, f"expected a picture of at most {LARGEST_SIDE:,} pixels a side")
    try:
        with OPENING, Image.open(io.BytesIO(data), formats=["PNG", "JPEG"]) as image:  # nothing is decoded yet
            if max(image.size) > LARGEST_SIDE:
                raise too_large
            image.load()
            return preprocessing.fit(image, trim=True)
    except RequestError:
        raise
    except Image.UnidentifiedImageError:
        raise RequestError(415, "expected a PNG or JPEG picture") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise too_large from None
    except Exception:  # Pillow's are of many kinds
        raise RequestError(400, "expected a whole PNG or JPEG picture, found a damaged one") from None


def data_url(image):
    """A PIL image as an address that holds the picture itself, as PNG."""
    return "data:image/png;base64," + base64.b64encode(png_bytes(image)).decode()


def read_page(name, labels):
    """demo.html with the model's name and labels put in, and the policy under which only its own parts run."""
    with open(PAGE, encoding="utf-8") as file:
        page = file.read()
    own = {}
    for tag in ("script", "style"):
        part = re.search(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL).group(1)
        own[tag] = f"'sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}'"
    policy = (
        f"default-src 'none'; script-src {own['script']}; style-src {own['style']}; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return page.replace("{{model}}", html.escape(json.dumps({"name": name, "labels": labels}))).encode(), policy


def make_server(host, port, model, name):
    """The server of the page and of the model called `name`, ready for serve_forever()."""
    page, policy = read_page(name, labels_of(model))
    routes = {
        "/": ("GET", lambda query, body: page),
        "/classify": ("POST", lambda query, body: classify(body, model, query == "maps=1")),
    }
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return Server(host, port, routes, headers)


def main():
    parser = Parser("Serve a page to draw a character in, and to see what the network makes of it.")
    add = parser.add_argument
    add("--model", default="model.doc", metavar="FILE", help="the model to ask (default: model.doc)")
    add("--host", default="127.0.0.1", metavar="H", help="the address to serve (default: 127.0.0.1, for this machine "
        "alone; 0.0.0.0: for its network)")  # fmt: skip
    add("--port", type=int, default=8000, metavar="P", help="its port (default: 8000; 0: any that is free)")
    options = parser.parse_args()
    if not 0 <= options.port <= 65535:
        parser.error(f"--port: expected 0 to 65535, found {options.port}")
    model = read_model(options.model)
    warnings.simplefilter("ignore")  # Pillow's, of odd pictures; for all threads at once
    name = os.path.basename(options.model)
    server = make_server(options.host, options.port, model, name)
    with server, contextlib.suppress(KeyboardInterrupt):
        print(f"open {server.url} in a browser; Ctrl-C ends this", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    run(main)
