"""demo.py: its answers, hostile requests at both servers, how a training is followed, and the command."""

import contextlib
import io
import json
import os
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib
from wsgiref.util import setup_testing_defaults

import numpy as np
import pytest
from conftest import INSTALL, ROOT
from PIL import Image, ImageDraw

import cnn
import demo
import metadata
import model
import preprocessing
import training

PAPER = ROOT / "models" / "paper.doc"
SERVERS = ["waitress", "wsgiref"]
OWN = socket.gethostname().lower().partition(".")[0]


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


def png_that_says(width, height):
    """A PNG file whose first lines promise a size, and no more."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    header = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + header + struct.pack(">I", 50) + b"IDAT" + bytes(50)


# The application


@pytest.fixture
def app(tmp_path):
    return demo.make_application(str(PAPER), str(tmp_path / "metadata.doc"), "127.0.0.1")


def ask(app, path="/", body=None, method=None, **environ):
    """The application's answer: its status, headers, and content; an environ that is None is left out."""
    path, _, query = path.partition("?")
    given = {
        "REQUEST_METHOD": method or ("GET" if body is None else "POST"), "PATH_INFO": path, "QUERY_STRING": query,
        "SERVER_PORT": "8000", "HTTP_HOST": "localhost:8000", "wsgi.input": io.BytesIO(body or b""),
        **({} if body is None else {"CONTENT_LENGTH": str(len(body))}), **environ,
    }  # fmt: skip
    given = {name: value for name, value in given.items() if value is not None}
    setup_testing_defaults(given)
    if environ.get("HTTP_HOST", "") is None:
        del given["HTTP_HOST"]
    said = []
    content = b"".join(app(given, lambda status, headers: said.extend((status, dict(headers)))))
    if said[1]["Content-Type"] == "application/json" and content:
        content = json.loads(content)
    return int(said[0].split()[0]), said[1], content


@pytest.mark.parametrize(("label", "data"), [("0", ZERO), ("1", ONE)])
def test_a_picture_is_answered_with_its_label_and_every_probability(app, label, data):
    status, headers, content = ask(app, "/classify", data)
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(preprocessing.fit(image, trim=True))
    expected = cnn.cnn(pixels, model.read_model(PAPER))
    assert (status, headers["Content-Type"]) == (200, "application/json")
    expected = {"label": label, "probabilities": dict(zip("01", expected.tolist())), "blank": False, "doubtful": False}
    assert content == expected


def numbers(text):
    return np.frombuffer(demo.base64.b64decode(text), "<f4")


def test_inside_it_shows_every_step_with_its_numbers(app):
    inside = ask(app, "/classify?inside=1", ZERO)[2]["inside"]
    pixels = np.asarray(preprocessing.fit(drawing("0"), trim=True)).max(axis=2)
    step, parts = cnn.forward(pixels, model.read_model(PAPER)), model.parts_of(model.read_model(PAPER))
    for name in ("pixels", "maps_1", "pooled_1", "maps_2", "pooled_2"):
        assert (numbers(inside[name]) == getattr(step, name).ravel()).all()
    for name in ("kernels_1", "kernels_2", "weights"):
        np.testing.assert_allclose(numbers(inside[name]), getattr(parts, name).ravel(), rtol=1e-6)
    assert [inside[name] for name in ("sums", "outputs", "scaled")] == [step.sums, step.outputs, step.scaled]
    assert (inside["labels"], inside["output_sum"]) == (["0", "1"], parts.output_sum)
    assert inside["softmax"] == step.softmax.tolist()


@pytest.mark.parametrize("name", ["paper.doc", "digits.doc"])
def test_what_each_block_would_change_is_what_inverting_it_changes(tmp_path, name):
    path = ROOT / "models" / name
    app = demo.make_application(str(path), str(tmp_path / "metadata.doc"), "127.0.0.1")
    parts = model.parts_of(model.read_model(path))
    plain = ask(app, "/classify?blocks=1", ONE)[2]
    pixels = np.asarray(preprocessing.fit(drawing("1"), trim=True)).max(axis=2)
    assert len(plain["blocks"]) == 256
    clear = [block for block, (_, _, share) in enumerate(plain["blocks"])
             if abs(share - plain["probabilities"][plain["label"]]) > 0.001]  # fmt: skip
    assert len(clear) > 5
    for block, (label, best, share) in enumerate(plain["blocks"]):
        changed, row, column = pixels.copy(), 2 * (block // 16), 2 * (block % 16)
        changed[row : row + 2, column : column + 2] = 255 - changed[row : row + 2, column : column + 2]
        softmax = cnn.cnn(changed, parts)
        assert (label, best) == (parts.labels[softmax.argmax()], softmax.max())
        assert share == softmax[parts.labels.index(plain["label"])]
    flipped = ask(app, f"/classify?flip={clear[0]},{clear[1]}", ONE)[2]["probabilities"]
    back = ask(app, f"/classify?flip={clear[0]},{clear[0]}", ONE)[2]["probabilities"]
    assert back == plain["probabilities"] != flipped
    assert ask(app, "/classify?flip=x", ONE)[0] == 400


def test_a_picture_without_ink_is_answered_and_called_blank(app):
    status, _, content = ask(app, "/classify", as_bytes(Image.new("L", (50, 50), "white")))
    assert (status, content["blank"], content["doubtful"]) == (200, True, False)
    cut_off = drawing("0").crop((0, 0, 256, 150))  # the ink reaches the border
    assert ask(app, "/classify", as_bytes(cut_off))[2]["doubtful"] is True


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_png_is_read(app, mode):
    image = drawing("0", mode="I").point(lambda value: value * 257) if mode == "I;16" else drawing("0", mode=mode)
    status, _, content = ask(app, "/classify", as_bytes(image.convert(mode)))
    assert (status, content["label"]) == (200, "0")


def test_a_picture_of_the_largest_size_and_a_light_drawing_on_dark_are_answered(app):
    negative = Image.eval(drawing("0", 1024), lambda value: 255 - value)
    assert [ask(app, "/classify", as_bytes(image))[2]["label"] for image in (drawing("0", 1024), negative)] == ["0"] * 2


def test_the_models_to_choose_from_and_pictures_to_try(app):
    content = ask(app, "/choices")[2]
    found = {each["name"]: each["labels"] for each in content["models"]}
    assert next(iter(found)) == "paper.doc"
    assert set(found) == {path.name for path in (ROOT / "models").glob("*.doc")}
    assert found["paper.doc"] == ["0", "1"]
    titles = [each["title"] for each in content["models"]]
    assert titles == ["0 and 1, the paper's own weights", "digits", "letters and digits", "0 and 1, as in the paper"]
    assert {sample["label"] for sample in content["samples"]} >= set("0123456789")
    first = content["samples"][0]["picture"]
    data = (ROOT / "dataset/0/img001-00001.png").read_bytes()
    assert first == "data:image/png;base64," + demo.base64.b64encode(data).decode()
    assert next(iter(demo.find_models("model.doc"))) == "digits.doc"  # the page opens with the digits
    assert demo.find_models("my/digits.doc")["digits.doc"] == "my/digits.doc"
    assert ask(app, "/classify?model=digits.doc", ZERO)[2]["label"] == "0"
    assert ask(app, "/classify?model=nothing.doc", ZERO)[0] == 404
    assert ask(app, "/classify?model=../model.doc", ZERO)[0] == 404


def test_a_model_is_read_anew_when_its_file_changes_and_may_be_gone(tmp_path, rng):
    path = tmp_path / "model.doc"
    app = demo.make_application(str(path), str(tmp_path / "metadata.doc"), "localhost")
    assert ask(app, "/classify", ZERO)[0] == 503
    assert "model.doc" not in [each["name"] for each in ask(app, "/choices")[2]["models"]]
    for labels in (["a", "b"], ['<b>&"x', "ää", "c"]):
        model.write_model(model.start_model(labels, rng), path)
        assert list(ask(app, "/classify", ZERO)[2]["probabilities"]) == labels
    path.write_text("[[1, 2]")
    assert ask(app, "/classify", ZERO)[0] == 503


def test_a_model_whose_labels_lead_elsewhere_shows_nothing_from_there(tmp_path, rng):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "img001-00001.png").write_bytes(ONE)
    path = tmp_path / "model.doc"
    labels = [str(tmp_path / "elsewhere"), os.path.relpath(tmp_path / "elsewhere", ROOT / "dataset"), "<script>", ".."]
    model.write_model(model.start_model(labels, rng), path)
    content = ask(demo.make_application(str(path), "metadata.doc", "localhost"), "/choices")[2]
    assert content["models"][0]["labels"] == labels
    assert {sample["label"] for sample in content["samples"]} == set("0123456789")


@pytest.mark.parametrize("path", ["/", "/training"])
def test_a_page_fetches_nothing_from_elsewhere_and_lets_nothing_else_run(app, path):
    status, headers, content = ask(app, path)
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    parts = re.findall(r'(?:src|href)="([^"]*\.(?:js|css))"', content.decode())
    for part in parts:
        status, headers, text = ask(app, f"/{part}")
        assert (status, headers["Content-Type"]) == (200, demo.KINDS[os.path.splitext(part)[1]])
        assert b"://" not in text
    assert len(parts) == 3
    assert b"://" not in content and b"style=" not in content and not re.search(rb"\bon\w+=", content)


BODIES = {
    "nothing": (415, b""),
    "text": (415, b"hello"),
    "JPEG": (415, as_bytes(drawing("0"), "JPEG")),
    "a PNG's first bytes": (400, ZERO[:20]),
    "a PNG without its end": (400, ZERO[:-60]),
    "a PNG of no pixels": (400, png_that_says(900, 900)),
    "too wide": (413, png_that_says(1025, 1)),
    "too high": (413, png_that_says(1, 1025)),
    "a byte too long": (413, bytes(200_001)),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_no_fitting_picture_is_refused(app, name):
    status, body = BODIES[name]
    found, _, content = ask(app, "/classify", body)
    assert (found, list(content)) == (status, ["error"])
    assert 0 < len(content["error"]) < 100


@pytest.mark.parametrize("damage", range(10))
def test_a_damaged_picture_is_answered_or_refused(app, damage):
    rng = np.random.default_rng(damage)
    data = bytearray(ZERO)
    for place in rng.integers(8, len(data), 1 + damage // 3):
        data[place] = rng.integers(256)
    assert ask(app, "/classify", bytes(data))[0] in (200, 400, 413, 415)


@pytest.mark.parametrize(
    ("status", "path", "environ"),
    [
        *((404, path, {}) for path in ("/demo.py", "/model.doc", "/../model.doc", "/pages/draw.html", "/classify/")),
        (405, "/classify", {}), (405, "/classify", {"method": "PUT"}), (405, "/", {"method": "POST"}),
        (411, "/classify", {"body": b"", "CONTENT_LENGTH": None}),
        (411, "/classify", {"body": ONE, "HTTP_TRANSFER_ENCODING": "gzip"}),
        *((400, "/classify", {"body": ONE, "CONTENT_LENGTH": text})
          for text in ("-1", "1_0", "5, 6", "\xb2", "9" * 50)),
        (400, "/classify", {"body": ONE, "CONTENT_LENGTH": str(len(ONE) + 1)}),
        (413, "/classify", {"body": ONE, "CONTENT_LENGTH": "200001"}),
        *((403, "/", {"HTTP_HOST": host})
          for host in ("example.org:8000", "", None, "127.0.0.1.evil.org:8000", f"{OWN}.evil.org", "evil.local")),
        *((403, "/classify", {"body": ONE, "HTTP_ORIGIN": origin})
          for origin in ("http://example.org", "null", "https://localhost:8000")),
        *((200, "/", {"HTTP_HOST": host, "HTTP_ORIGIN": f"http://{host}"})
          for host in ("localhost:8000", "localhost", "localhost:9000", "127.0.0.1:8000", "[::1]:8000", "192.168.1.5",
                       f"{OWN}.local:8000", f"{OWN}.fritz.box", f"{OWN}.lan", OWN)),
    ],
)  # fmt: skip
def test_who_asks_and_for_what_is_checked(app, status, path, environ):
    found, headers, content = ask(app, path, **environ)
    assert found == status
    if status != 200:
        assert list(content) == ["error"]
        assert 0 < len(content["error"]) < 100
    if status == 405:
        assert headers["Allow"] == ("POST" if path == "/classify" else "GET")


def test_a_mistake_of_ours_is_one_line_and_no_more(app, monkeypatch, capsys):
    monkeypatch.setattr(demo.cnn, "forward", lambda *arguments: 1 // 0)
    assert ask(app, "/classify", ONE)[::2] == (500, {"error": "the server made a mistake"})
    assert capsys.readouterr().err == "demo.py: ZeroDivisionError: integer division or modulo by zero\n"


# The training that goes on


def write_log(path, generations, started=1.0, labels=("0", "1")):
    """A log of ours, whose odd generations are right; what was at `path` is another one's. It stays open."""
    metadata.start_log(path, started)
    log = metadata.Log(path, labels)
    append(log, 1, generations)
    return log


def append(log, first, last):
    for number in range(first, last + 1):
        softmax = np.array([0.5, 0.6] if number % 2 else [0.5, 0.4])
        log.append(number, cnn.Trained(1 / number, np.array([0, 1]), softmax, None))
    log.flush(last)


@pytest.fixture
def files(tmp_path):
    return str(tmp_path / "metadata.doc"), str(tmp_path / "model.doc")


def test_where_there_is_no_training_it_says_what_to_type(files):
    found = demo.progress(*files)
    assert set(found) == {"start", "resume", "model"}
    assert (found["resume"], found["model"]) == (None, None)
    subprocess.run(
        [*shlex.split(found["start"]), "--generations", "10"], cwd=ROOT, check=True, stderr=subprocess.DEVNULL
    )
    found = demo.progress(*files)
    assert (found["generation"], found["model"]["name"], len(found["model"]["labels"])) == (10, "model.doc", 10)
    assert "--metadata" not in demo.progress("metadata.doc", "model.doc")["start"]


def test_a_training_is_followed_and_a_new_one_is_seen(files):
    with contextlib.closing(write_log(files[0], 1205)) as log:
        found = demo.progress(*files)
        assert (found["generation"], found["started"], found["settings"]) == (1205, 1.0, {})
        assert 200 < len(found["dots"]) <= demo.DOTS
        assert found["dots"][-1][0] == 1205
        for generation, error, right in found["dots"]:
            before = range(max(1, generation - 99), generation + 1)
            assert error == pytest.approx(np.mean([1 / number for number in before]))
            assert right == pytest.approx(100 * np.mean([number % 2 for number in before]))
        assert found["recent"] == [pytest.approx(np.mean([1 / number for number in range(1106, 1206)])), 50, 100]
        assert [row[0] for row in found["rows"]] == list(range(1198, 1206))
        assert [row[-1] for row in found["rows"]] == [False, True] * 4
        append(log, 1206, 1220)
        assert demo.progress(*files)["generation"] == 1220
    write_log(files[0], 300, started=2.0).close()
    found = demo.progress(*files)
    assert (found["generation"], found["started"], found["dots"][-1][0]) == (300, 2.0, 300)


def test_resume_is_offered_only_where_it_works(files, dataset, tmp_path):
    training.train(5e-9, 50, *files[::-1], dataset=dataset, seed=1)
    found = demo.progress(*files)
    assert found["resume"].endswith(f"controller.py --metadata {files[0]} --resume")
    assert found["settings"]["seed"] == 1
    write_log(files[0], 40).close()  # another training's log, as `git checkout metadata.doc` brings it back
    found = demo.progress(*files)
    assert (found["resume"], found["settings"]) == (None, {})


def test_a_log_that_is_none_is_said(app, tmp_path):
    (tmp_path / "metadata.doc").write_text("1\n2\n\n\nx y z\n")
    for _ in range(2):
        status, _, content = ask(app, "/progress")
        assert (status, "expected a line for each generation" in content["error"]) == (503, True)


@pytest.mark.parametrize("name", ["metadata.doc", "model.doc"])
def test_a_pipe_or_folder_in_a_files_place_is_not_waited_for(tmp_path, name):
    app = demo.make_application(str(tmp_path / "model.doc"), str(tmp_path / "metadata.doc"), "localhost")
    metadata.start_log(tmp_path / "metadata.doc", 1.0)
    for make in (os.mkdir, *([os.mkfifo] if hasattr(os, "mkfifo") else [])):
        (tmp_path / name).unlink(missing_ok=True)
        make(tmp_path / name)
        status, _, content = ask(app, *(("/classify", ONE) if name == "model.doc" else ("/progress",)))
        assert (status, f"{name}: expected a file" in content["error"]) == (503, True)
        assert ask(app, "/choices")[0] == 200
        if make is os.mkdir:
            (tmp_path / name).rmdir()


def test_kernels_and_weights_are_sent_when_they_change(app, files, rng):
    answer = ask(app, "/classify?inside=1", ZERO)[2]["inside"]
    again = ask(app, f"/classify?inside=1&known={answer['version']}", ZERO)[2]["inside"]
    assert "weights" in answer
    assert not {"kernels_1", "kernels_2", "weights"} & set(again)
    model.write_model(model.start_model("01", rng, train_kernels=True, kernels=(3, 4)), files[1])
    write_log(files[0], 20).close()
    found = demo.progress(*files, "another")["model"]
    assert (found["name"], found["labels"], len(numbers(found["weights"]))) == ("model.doc", ["0", "1"], 2 * 101)
    for known in (found["version"], None):
        assert set(demo.progress(*files, known)["model"]) == {"name", "version", "labels"}


# Both servers


def start_demo(folder, server, *arguments):
    """Start demo.py in a folder, served by waitress or Python's own server. Returns the process and its port."""
    if server == "waitress":
        pytest.importorskip("waitress")
        arguments = ("--host", "0.0.0.0", *arguments)
    command = [sys.executable, "-W", "error", str(ROOT / "demo.py"), "--port", "0", *arguments]
    process = subprocess.Popen(command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said = process.stdout.readline()
    if "does not exist yet" in said:
        said = process.stdout.readline()
    found = re.fullmatch(r"open http://\S+:(\d+)/ in a browser(, on a phone .*)?; Ctrl-C ends this\n", said)
    assert found, (said, process.communicate())
    return process, int(found.group(1))


@pytest.fixture(scope="module", params=SERVERS)
def served(request, tmp_path_factory):
    """The port of a server that at the end must have said and kept nothing, and end at once on Ctrl-C."""
    folder = tmp_path_factory.mktemp("served")
    process, port = start_demo(folder, request.param, "--model", str(PAPER))
    kept = sorted(os.listdir(folder))
    with socket.create_connection(("127.0.0.1", port)):  # one stalls
        yield port
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")
    assert sorted(os.listdir(folder)) == kept


def send(port, data):
    """All that comes back for some bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            return b"".join(iter(lambda: connection.recv(65536), b""))
    return b""


def head(port, first="GET / HTTP/1.1", *lines):
    return "\r\n".join([first, f"Host: localhost:{port}", *lines, "", ""]).encode("latin-1")


def test_it_serves_the_page_and_answers(served):
    answer = send(served, head(served))
    assert answer.split(b" ", 1)[1].startswith(b"200 OK\r\n")
    assert answer.endswith(b"</html>\n")
    for label, data in (("0", ZERO), ("1", ONE)):
        answer = send(served, head(served, "POST /classify HTTP/1.1", f"Content-Length: {len(data)}") + data)
        assert f'"label": "{label}"'.encode() in answer
    asked = head(served, "POST /classify HTTP/1.1", f"Content-Length: {len(ONE)}", "Expect: 100-continue") + ONE
    assert b'"label": "1"' in send(served, asked)


@pytest.mark.parametrize(
    "lines",
    [
        ("nonsense",),
        ("GET / HTTP/x",),
        ("GET / HTTP/1.1", "Host: another"),
        ("POST /classify HTTP/1.1", "Content-Length: 5", "Content-Length: 6"),
        ("POST /classify HTTP/1.1", "Content-Length: 200001"),
        ("POST /classify HTTP/1.1", "Transfer-Encoding: gzip, chunked"),
        ("GET / HTTP/1.1\r\nX: a\rHost: example.org",),
        ("GET / HTTP/1.1", "Origin: http://example.org"),
    ],
)
def test_a_wrong_request_is_refused_and_the_next_served(served, lines):
    answer = send(served, head(served, *lines))
    assert b" 200 OK" not in answer
    assert b"Traceback" not in answer
    assert b" 200 OK" in send(served, head(served))


@pytest.mark.slow
@pytest.mark.parametrize("request_first", [True, False])
def test_the_last_of_a_class_of_30_does_not_wait(tmp_path, request_first):
    """30 browsers keep six connections each, or 300 connections say nothing: the page and an answer come at once."""
    process, port = start_demo(tmp_path, "waitress", "--model", str(PAPER))
    kept = []
    try:
        for _ in range(180 if request_first else 300):
            kept.append(socket.create_connection(("127.0.0.1", port), timeout=30))
            if request_first:
                kept[-1].sendall(head(port))
                assert kept[-1].recv(65536)
        question = head(port, "POST /classify HTTP/1.1", f"Content-Length: {len(ONE)}") + ONE
        for limit, data in ((2, head(port)), (1, question)):
            begun = time.monotonic()
            assert b" 200 OK" in send(port, data)
            assert time.monotonic() - begun < limit
    finally:
        for connection in kept:
            connection.close()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


# The command


def test_the_whole_network_needs_waitress_or_is_refused_in_one_line(tmp_path, run_script):
    (tmp_path / "waitress.py").write_text("raise ImportError\n")
    done = run_script("demo.py", "--host", "0.0.0.0", "--port", "0", "--model", PAPER,
                      env={**os.environ, "PYTHONPATH": str(tmp_path)})  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    needed = rf"demo\.py: --host 0\.0\.0\.0: other machines are served by waitress: {INSTALL}waitress\n"
    assert re.fullmatch(needed, done.stderr)


def test_the_whole_network_is_told_the_address_to_type():
    assert demo.addresses("127.0.0.1", 8000) == ["http://127.0.0.1:8000/"]
    assert demo.addresses("::1", 8000) == ["http://[::1]:8000/"]
    here, other = demo.addresses("0.0.0.0", 8000)
    assert here == "http://localhost:8000/"
    assert re.fullmatch(r"http://[\w.-]+:8000/", other)


def test_it_starts_before_there_is_a_model_and_a_port_in_use_is_said_on_one_line(tmp_path, run_script):
    process, port = start_demo(tmp_path, "wsgiref", "--model", "new.doc")
    assert b"characters.doc" in send(port, head(port, "GET /choices HTTP/1.1"))
    done = run_script("demo.py", "--model", PAPER, "--port", port)
    process.kill()
    process.communicate()
    expected = f"demo.py: 127.0.0.1, port {port}: Address already in use; choose another --host or --port\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)


@pytest.mark.parametrize(
    ("code", "arguments", "said"),
    [
        (1, ["--host", "a" * 70], "demo.py: " + "a" * 70 + ", port 8000: not an address; "),
        (1, ["--model", "README.md"], "demo.py: README.md, line 1: this is not a model"),
        (2, ["--port", "70000"], "demo.py: --port: expected 0 to 65535, found 70000; see demo.py --help"),
    ],
)
def test_what_cannot_be_served_is_said_on_one_line(run_script, code, arguments, said):
    done = run_script("demo.py", "--model", PAPER, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1
