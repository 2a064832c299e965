"""demo.py and server.py: the answers, every hostile request over real sockets, and the command."""

import contextlib
import html
import http.client
import io
import json
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image, ImageDraw

import cnn
import demo
import model
import preprocessing
from support import server

PAPER = ROOT / "models" / "paper.doc"


def drawing(label, size=256, mode="RGB"):
    """A picture that a person could have drawn: a 0 or a 1 in an otherwise empty square."""
    image = Image.new("L", (size, size), "white")
    pen, unit = ImageDraw.Draw(image), size / 32
    if label == "0":
        pen.ellipse([unit * side for side in (9, 4, 23, 28)], outline="black", width=round(3.75 * unit))
    else:
        pen.line([unit * side for side in (16, 4, 16, 28)], fill="black", width=round(3.75 * unit))
    return image.convert(mode)


def as_bytes(image, file_format="PNG", **options):
    data = io.BytesIO()
    image.save(data, file_format, **options)
    return data.getvalue()


ZERO, ONE = as_bytes(drawing("0")), as_bytes(drawing("1"))


@contextlib.contextmanager
def serving(made):
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield made
    finally:
        made.shutdown()
        thread.join()
        made.server_close()


@pytest.fixture(scope="module")
def served():
    """A server of the paper's own model, as main() makes it."""
    with serving(demo.make_server("127.0.0.1", 0, model.read_model(PAPER), "paper.doc", 10)) as made:
        yield made


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(server, "LIMIT", 0.4)
    monkeypatch.setattr(server, "PARTING", 0.2)


@pytest.fixture(autouse=True)
def silent(capfd):
    """Whatever a client does, nothing is printed."""
    yield
    assert capfd.readouterr() == ("", "")


def connect(served):
    return socket.create_connection(("127.0.0.1", served.server_address[1]), timeout=20)


def read_answer(connection, method=None):
    """One answer: its status, headers, and content."""
    with http.client.HTTPResponse(connection, method=method) as answer:
        answer.begin()
        content = answer.read()
    if answer.headers["Content-Type"] == "application/json" and content:
        content = json.loads(content)
    return answer.status, answer.headers, content


def read_all(connection):
    """What comes until the server ends the connection."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def ask(served, method="GET", path="/", body=b"", headers=None):
    """The answer to one request, sent as it is given, on a connection of its own."""
    lines = {"Host": f"127.0.0.1:{served.server_address[1]}", "Content-Length": len(body), **(headers or {})}
    head = [f"{method} {path} HTTP/1.1"] + [f"{name}: {value}" for name, value in lines.items() if value is not None]
    return ask_raw(served, "\r\n".join([*head, "", ""]).encode("latin-1") + body, method)


def ask_raw(served, request, method=None):
    with connect(served) as connection:
        connection.sendall(request)
        return read_answer(connection, method)


def classify(served, body, path="/classify", **headers):
    return ask(served, "POST", path, body, headers)


def assert_still_serving(served):
    status, _, content = classify(served, ONE)
    assert (status, content["label"]) == (200, "1")


# What it answers


@pytest.mark.parametrize(("label", "data"), [("0", ZERO), ("1", ONE)])
def test_a_picture_is_answered_with_its_label_and_every_probability(served, label, data):
    status, headers, content = classify(served, data)
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(preprocessing.fit(image, trim=True))
    expected = cnn.cnn(pixels, model.read_model(PAPER), output_sum=10)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert content == {"label": label, "probabilities": dict(zip("01", expected.tolist()))}


def test_with_maps_it_also_shows_what_the_network_saw(served):
    _, _, content = classify(served, ZERO, "/classify?maps=1")
    assert list(content) == ["label", "probabilities", "seen", "maps", "blank"]
    shown = [np.asarray(opened(address)) for address in [content["seen"], *content["maps"]]]
    assert [picture.shape for picture in shown] == [(32, 32, 3)] + [(28, 28)] * 6
    pixels = shown[0].max(axis=2)
    assert (pixels == np.asarray(preprocessing.fit(drawing("0"), trim=True)).max(axis=2)).all()
    expected = cnn.relu(cnn.convolve(pixels[np.newaxis], model.read_model(PAPER)[0]))
    for shades, values in zip(shown[1:], expected):
        assert np.abs(shades - values / values.max() * 255).max() < 1
    assert content["blank"] is False


def opened(address):
    kind, data = address.split(",")
    assert kind == "data:image/png;base64"
    with Image.open(io.BytesIO(demo.base64.b64decode(data))) as image:
        image.load()
        return image


def test_a_picture_without_ink_is_answered_and_called_blank(served):
    status, _, content = classify(served, as_bytes(Image.new("L", (50, 50), "white")), "/classify?maps=1")
    assert (status, content["blank"]) == (200, True)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_png_is_read(served, mode):
    image = drawing("0", mode="I").point(lambda value: value * 257) if mode == "I;16" else drawing("0", mode=mode)
    status, _, content = classify(served, as_bytes(image.convert(mode)))
    assert (status, content["label"]) == (200, "0")


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_every_kind_of_jpeg_is_read(served, mode):
    status, _, content = classify(served, as_bytes(drawing("0", mode=mode), "JPEG"))
    assert (status, content["label"]) == (200, "0")


def test_a_photograph_lying_on_its_side_is_turned(served):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    turned = drawing("1").transpose(Image.ROTATE_90 if hasattr(Image, "ROTATE_90") else Image.Transpose.ROTATE_90)
    _, _, content = classify(served, as_bytes(turned, "JPEG", exif=exif))
    assert content["label"] == "1"


def test_a_picture_of_the_largest_size_is_answered(served):
    status, _, content = classify(served, as_bytes(drawing("0", 4000, "L")))
    assert (status, content["label"]) == (200, "0")


def test_labels_come_from_the_model_and_are_counted_where_it_has_none(rng):
    odd = model.start_model(['<b>&"x', "ää", "c"], rng)
    assert list(demo.classify(ZERO, odd)["probabilities"]) == ['<b>&"x', "ää", "c"]
    assert list(demo.classify(ZERO, odd[:3])["probabilities"]) == ["0", "1", "2"]


# The page, and how it is sent


def test_the_page_has_the_models_name_and_labels(rng):
    labels = ['</script>"&', "'ä"]
    page, policy = demo.read_page("<my> model.doc", labels)
    inside = re.search('data-model="([^"]*)"', page.decode()).group(1)
    assert json.loads(html.unescape(inside)) == {"name": "<my> model.doc", "labels": labels}
    assert policy == demo.read_page("another", ["0", "1"])[1]


def test_the_page_fetches_nothing_from_elsewhere_and_lets_nothing_else_run(served):
    status, headers, page = ask(served)
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"//" not in re.sub(rb"(^| )// .*", b"", page, flags=re.MULTILINE)  # no address but in comments
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert page.count(b"<script") == page.count(b"<style") == 1


def test_every_answer_says_that_it_is_not_to_be_kept_or_guessed_at(served):
    for _, headers, _ in (ask(served), ask(served, path="/nothing"), classify(served, ZERO), classify(served, b"x")):
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert not [name for name in headers if name.lower().startswith("access-control")]


def test_head_is_get_without_the_content(served):
    status, headers, content = ask(served, "HEAD")
    assert (status, content) == (200, b"")
    assert int(headers["Content-Length"]) == len(ask(served)[2])


def test_a_connection_serves_request_after_request(served):
    connection = http.client.HTTPConnection("127.0.0.1", served.server_address[1], timeout=20)
    with contextlib.closing(connection):
        for path, body, status in [("/classify", ZERO, 200), ("/classify", b"no picture", 415), ("/no", None, 404)] * 3:
            connection.request("POST" if body else "GET", path, body)
            used = connection.sock
            answer = connection.getresponse()
            answer.read()
            assert (answer.status, answer.headers["Connection"]) == (status, "keep-alive")
            assert connection.sock is used


def test_requests_sent_all_at_once_are_answered_in_order(served):
    host = f"Host: localhost:{served.server_address[1]}\r\n".encode()
    post = b"POST /classify HTTP/1.1\r\n" + host + b"Content-Length: %d\r\n\r\n%b"
    with connect(served) as connection:
        connection.sendall(post % (len(ZERO), ZERO) + post % (len(ONE), ONE) + b"GET / HTTP/1.1\r\n" + host + b"\r\n")
        connection.shutdown(socket.SHUT_WR)
        data = read_all(connection)
    assert data.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert re.findall(rb'"label": "(.)"', data) == [b"0", b"1"]
    assert data.endswith(b"</html>\n")


def test_an_old_client_is_answered_and_its_connection_ended(served):
    with connect(served) as connection:
        connection.sendall(f"GET / HTTP/1.0\r\nHost: localhost:{served.server_address[1]}\r\n\r\n".encode())
        status, headers, _ = read_answer(connection)
        assert (status, headers["Connection"]) == (200, "close")


def test_who_asks_first_whether_to_send_a_body_is_told_to_go_on(served):
    head = f"POST /classify HTTP/1.1\r\nHost: localhost:{served.server_address[1]}\r\nExpect: 100-continue\r\n"
    with connect(served) as connection:
        connection.sendall(f"{head}Content-Length: {len(ONE)}\r\n\r\n".encode())
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(ONE)
        assert read_answer(connection)[0] == 200
    with connect(served) as connection:
        connection.sendall(f"{head}Content-Length: 1000001\r\n\r\n".encode())
        assert connection.recv(12) == b"HTTP/1.1 413"


# Hostile requests


def png_that_says(width, height):
    """A PNG file whose first lines promise a size, and no more."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    header = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + header + struct.pack(">I", 50) + b"IDAT" + bytes(50)


BODIES = {
    "nothing": (415, b""),
    "text": (415, b"hello"),
    "zeros, as many as may be": (415, bytes(1_000_000)),
    "GIF": (415, as_bytes(drawing("0"), "GIF")),
    "BMP": (415, as_bytes(drawing("0"), "BMP")),
    "TIFF": (415, as_bytes(drawing("0"), "TIFF")),
    "SVG": (415, b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    "PostScript": (415, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
    "a PNG's first bytes": (400, ZERO[:20]),
    "a PNG without its end": (400, ZERO[:-60]),
    "a JPEG without its end": (400, as_bytes(drawing("0"), "JPEG")[:-1000]),
    "a PNG of no pixels": (400, png_that_says(3000, 3000)),
    "too wide": (413, png_that_says(4001, 1)),
    "too high": (413, png_that_says(1, 4001)),
    "Pillow warns of its size": (413, png_that_says(9999, 9999)),
    "Pillow refuses its size": (413, png_that_says(60_000, 60_000)),
    "a byte too long": (413, bytes(1_000_001)),
    "far too long": (413, bytes(30_000_000)),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_no_fitting_picture_is_refused(served, name):
    status, body = BODIES[name]
    found, _, content = classify(served, body)
    assert (found, list(content)) == (status, ["error"])
    assert 0 < len(content["error"]) < 100
    assert_still_serving(served)


def test_a_form_is_refused(served):
    data = b"--x\r\nContent-Type: image/png\r\n\r\n" + ZERO + b"\r\n--x--"
    assert classify(served, data, **{"Content-Type": "multipart/form-data; boundary=x"})[0] == 415


@pytest.mark.parametrize("damage", range(30))
def test_a_damaged_picture_is_answered_or_refused(served, damage):
    rng = np.random.default_rng(damage)
    data = bytearray((ZERO, as_bytes(drawing("0"), "JPEG"))[damage % 2])
    for place in rng.integers(8, len(data), 1 + damage // 3):
        data[place] = rng.integers(256)
    assert classify(served, bytes(data))[0] in (200, 400, 413, 415)


@pytest.mark.parametrize(
    ("status", "method", "path", "headers"),
    [
        (404, "GET", "/demo.py", {}),
        (404, "GET", "/model.doc", {}),
        (404, "GET", "/../model.doc", {}),
        (404, "GET", "/%2e%2e/model.doc", {}),
        (404, "GET", "/demo.html", {}),
        (404, "GET", "/classify/", {}),
        (404, "GET", "/favicon.ico", {}),
        (404, "OPTIONS", "*", {}),
        (404, "CONNECT", "localhost:22", {}),
        (404, "POST", "/" + "a" * 60_000, {}),
        (405, "GET", "/classify", {}),
        (405, "HEAD", "/classify", {}),
        (405, "PUT", "/classify", {}),
        (405, "OPTIONS", "/classify", {}),
        (405, "POST", "/", {}),
        (405, "DELETE", "/", {}),
        (405, "get", "/", {}),
        (411, "POST", "/classify", {"Content-Length": None}),
        (411, "POST", "/classify", {"Content-Length": None, "Transfer-Encoding": "chunked"}),
        (411, "POST", "/classify", {"Transfer-Encoding": "gzip, chunked"}),
        (400, "POST", "/classify", {"Content-Length": "-1"}),
        (400, "POST", "/classify", {"Content-Length": "+5"}),
        (400, "POST", "/classify", {"Content-Length": "1_0"}),
        (400, "POST", "/classify", {"Content-Length": "5.0"}),
        (400, "POST", "/classify", {"Content-Length": "0x10"}),
        (400, "POST", "/classify", {"Content-Length": "many"}),
        (400, "POST", "/classify", {"Content-Length": "\xb2"}),
        (400, "POST", "/classify", {"Content-Length": ""}),
        (400, "POST", "/classify", {"Content-Length": "5\r\nContent-Length: 6"}),
        (413, "POST", "/classify", {"Content-Length": "1000001"}),
        (413, "POST", "/classify", {"Content-Length": "9" * 5000}),
        (400, "GET", "/", {"Host": None}),
        (400, "GET", "/", {"X": "1\r\nHost: another"}),
        (400, "GET", "/", {"X": "1\r\nnonsense"}),
        (403, "GET", "/", {"Host": "example.org"}),
        (403, "GET", "/", {"Host": "localhost"}),
        (403, "GET", "/", {"Host": "localhost:1"}),
        (403, "GET", "/", {"Host": ""}),
        (403, "POST", "/classify", {"Origin": "http://example.org"}),
        (403, "POST", "/classify", {"Origin": "null"}),
        (431, "GET", "/", {"X": "x" * 70_000}),
        (431, "GET", "/", {f"X{number}": "x" for number in range(200)}),
    ],
)
def test_a_wrong_request_is_refused(served, status, method, path, headers):
    found, answered, content = ask(served, method, path, headers=headers)
    assert found == status
    if method != "HEAD":
        assert list(content) == ["error"]
        assert 0 < len(content["error"]) < 100
    if status == 405:
        assert answered["Allow"] == ("POST" if path == "/classify" else "GET")
    assert_still_serving(served)


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (400, b"\r\n\r\n"),
        (400, b"nonsense\r\n\r\n"),
        (400, b"GET / HTTP/x\r\n\r\n"),
        (400, b"GET / / HTTP/1.1\r\n\r\n"),
        (400, b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n"),  # what a browser sends that expects https
        (400, b"\xff\xfe\0\r\n\r\n"),
        (400, b"GET /\r\n\r\n"),
        (505, b"GET / HTTP/2.0\r\n\r\n"),
        (400, b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n"),
    ],
)
def test_what_is_no_request_is_refused(served, status, request_):
    found, headers, content = ask_raw(served, request_)
    assert (found, headers["Connection"], list(content)) == (status, "close", ["error"])
    assert_still_serving(served)


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "127.0.0.1", "[::1]"])
def test_the_address_that_is_served_goes_by_its_names(served, name):
    host = f"{name}:{served.server_address[1]}"
    assert ask(served, headers={"Host": host, "Origin": f"http://{host}"})[0] == 200


def test_a_server_for_the_whole_network_goes_by_any_name(rng):
    with serving(demo.make_server("0.0.0.0", 0, model.start_model("01", rng), "model.doc")) as made:
        assert made.url == f"http://localhost:{made.server_address[1]}/"
        assert ask(made, headers={"Host": "raspberrypi.local"})[0] == 200
        assert ask(made, headers={"Host": "raspberrypi.local", "Origin": "http://example.org"})[0] == 403


def test_a_body_that_was_not_read_ends_the_connection(served):
    host = f"Host: localhost:{served.server_address[1]}\r\n".encode()
    with connect(served) as connection:
        inside = b"GET / HTTP/1.1\r\n" + host + b"\r\n"
        connection.sendall(b"GET / HTTP/1.1\r\n" + host + b"Content-Length: %d\r\n\r\n" % len(inside) + inside)
        connection.shutdown(socket.SHUT_WR)
        data = read_all(connection)
    assert data.count(b"HTTP/1.1 200 OK") == 1
    assert b"Connection: close" in data


# Slow clients, many, and those that leave

HALF_HEAD = b"POST /classify HTTP/1.1\r\nHo"
HALF_BODY = b"POST /classify HTTP/1.1\r\nHost: localhost:%d\r\nContent-Length: 5000\r\n\r\n\x89PNG"


def half_body(served):
    return HALF_BODY % served.server_address[1]


@pytest.mark.parametrize("begun", ["nothing", "head", "body"])
def test_a_client_that_stalls_is_told_and_ended(served, quick, begun):
    with connect(served) as connection:
        connection.sendall({"nothing": b"", "head": HALF_HEAD, "body": half_body(served)}[begun])
        status, headers, content = read_answer(connection)
    assert (status, headers["Connection"]) == (408, "close")
    assert content == {"error": "expected a whole request within 0.4 seconds"}


def test_a_client_that_sends_a_byte_now_and_then_is_ended_too(served, quick):
    with connect(served) as connection:
        connection.settimeout(0.1)
        connection.sendall(half_body(served))
        sent, answer = 0, b""
        while not answer and sent < 100:
            connection.sendall(b"x")
            sent += 1
            with contextlib.suppress(socket.timeout):
                answer = connection.recv(12)
    assert answer == b"HTTP/1.1 408"
    assert 1 < sent < 20


def test_a_client_that_asks_no_more_is_ended_without_a_word(served, quick):
    with connect(served) as connection:
        connection.sendall(f"HEAD / HTTP/1.1\r\nHost: localhost:{served.server_address[1]}\r\n\r\n".encode())
        data = read_all(connection)
    assert data.count(b"HTTP/1.1") == 1


def test_a_request_has_all_its_time_after_a_pause(served, monkeypatch):
    monkeypatch.setattr(server, "LIMIT", 1.5)
    host = f"Host: localhost:{served.server_address[1]}\r\n".encode()
    with connect(served) as connection:
        for part in (b"HEAD / HTTP/1.1\r\n" + host, b"\r\n"):  # together longer than the limit; each is not
            time.sleep(1)
            connection.sendall(part)
        assert connection.recv(12) == b"HTTP/1.1 200"


def test_sixty_clients_that_stall_keep_nobody_waiting(served):
    beginnings = [b"", HALF_HEAD, half_body(served)] * 20
    with contextlib.ExitStack() as stack:
        for beginning in beginnings:
            stack.enter_context(connect(served)).sendall(beginning)
        started = time.monotonic()
        for _ in range(5):
            assert_still_serving(served)
        assert time.monotonic() - started < server.LIMIT / 2


def test_more_clients_than_there_are_places_wait_their_turn(rng, quick, monkeypatch):
    monkeypatch.setattr(server, "CONNECTIONS", 3)
    made = demo.make_server("127.0.0.1", 0, model.start_model("01", rng), "model.doc")
    with serving(made), contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(connect(made)).sendall(HALF_HEAD)
        assert classify(made, ONE)[0] == 200


def test_sixteen_clients_at_once_are_all_answered(served):
    answers = []

    def client(label, data):
        answers.extend((label, classify(served, data)) for _ in range(3))

    threads = [threading.Thread(target=client, args=pair) for pair in [("0", ZERO), ("1", ONE)] * 8]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 48
    assert all(status == 200 and content["label"] == label for label, (status, _, content) in answers)


@pytest.mark.parametrize("manner", ["close", "reset", "half"])
def test_a_client_may_leave_in_the_middle_of_a_body(served, manner):
    for _ in range(5):
        with connect(served) as connection:
            connection.sendall(half_body(served))
            if manner == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if manner == "half":
                connection.shutdown(socket.SHUT_WR)
                status, _, content = read_answer(connection)
                assert (status, content) == (400, {"error": "expected a body of 5000 bytes, found 4"})
    assert_still_serving(served)


def test_a_client_that_takes_no_answer_is_ended(served, quick):
    request = f"GET / HTTP/1.1\r\nHost: localhost:{served.server_address[1]}\r\n\r\n".encode()
    with connect(served) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(request * 20_000)  # some 300 MB of answers
            connection.recv(1)
        assert_still_serving(served)


# The command


@pytest.fixture
def started(tmp_path):
    """python demo.py in an empty folder: the process, once it has said its address, and its port."""
    command = [sys.executable, "-W", "error", str(ROOT / "demo.py"), "--model", str(PAPER), "--port", "0"]
    process = subprocess.Popen([*command, "--output-sum", "10"], cwd=tmp_path, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    said = process.stdout.readline()
    port = int(re.fullmatch(r"open http://127\.0\.0\.1:(\d+)/ in a browser; Ctrl-C ends this\n", said).group(1))
    yield process, port
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_ctrl_c_ends_it_quietly_whatever_is_going_on_and_nothing_was_kept(started, tmp_path):
    process, port = started
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    exif = Image.Exif()
    exif[0x0112] = 6
    broken = as_bytes(drawing("0"), "JPEG", exif=exif.tobytes()[:-3])  # Pillow warns of this one
    for body, status in [(ZERO, 200), (b"x", 415), (broken, 200), (png_that_says(9999, 9999), 413)]:
        connection.request("POST", "/classify?maps=1", body)
        answer = connection.getresponse()
        content = json.loads(answer.read())
        assert (answer.status, content.get("label", "0")) == (status, "0")
    stalled = socket.create_connection(("127.0.0.1", port))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
    stalled.close()
    connection.close()


def test_a_port_in_use_is_said_on_one_line(started, run_script):
    _, port = started
    done = run_script("demo.py", "--model", PAPER, "--port", port)
    expected = f"demo.py: 127.0.0.1, port {port}: Address already in use; choose another --host or --port\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)


@pytest.mark.parametrize(
    ("code", "arguments", "said"),
    [
        (1, ["--host", "192.0.2.1"], "demo.py: 192.0.2.1, port 8000: "),
        (1, ["--host", "a" * 70], "demo.py: " + "a" * 70 + ", port 8000: not an address; "),
        (1, ["--model", "nothing.doc"], "demo.py: nothing.doc: No such file or directory"),
        (2, ["--port", "70000"], "demo.py: --port: expected 0 to 65535, found 70000; see demo.py --help"),
        (2, ["--port", "x"], "demo.py: argument --port: "),
        (
            2,
            ["--output-sum", "nan"],
            "demo.py: argument --output-sum: expected a number above 0, at most a million, found nan",
        ),
    ],
)
def test_what_cannot_be_served_is_said_on_one_line(run_script, code, arguments, said):
    done = run_script("demo.py", "--model", PAPER, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1
