"""demo.py: its answers, hostile requests at both servers, how a training is followed, and the command."""

import contextlib
import io
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import INSTALL, ROOT
from PIL import Image

import cnn
import demo
import metadata
import model
import preprocessing

PAPER = ROOT / "models" / "paper.doc"
OWN = socket.gethostname().lower().partition(".")[0]


def as_bytes(image, file_format="PNG", **options):
    data = io.BytesIO()
    image.save(data, file_format, **options)
    return data.getvalue()


ZERO, ONE = ((ROOT / "dataset" / name).read_bytes() for name in ("0/img001-00001.png", "1/img002-00001.png"))


def picture(data, side=32):
    """The picture in the bytes of a PNG file, square."""
    with Image.open(io.BytesIO(data)) as image:
        return image.resize((side, side))


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
    said = []
    content = b"".join(app(given, lambda status, headers: said.extend((status, dict(headers)))))
    if said[1]["Content-Type"] == "application/json" and content:
        content = json.loads(content)
    return int(said[0].split()[0]), said[1], content


@pytest.mark.parametrize(("label", "data", "side"), [("0", ZERO, 32), ("1", ONE, 32), ("0", ZERO, 1024)])
def test_a_picture_is_answered_with_its_label_and_every_probability(app, label, data, side):
    image = picture(data, side)
    status, headers, content = ask(app, "/classify", as_bytes(image))
    expected = cnn.cnn(np.asarray(preprocessing.fit(image, trim=True)), model.read_model(PAPER))
    assert (status, headers["Content-Type"]) == (200, "application/json")
    expected = {"label": label, "probabilities": dict(zip("01", expected.tolist())), "blank": False, "doubtful": False}
    assert content == expected


def test_inside_it_shows_every_step_with_its_numbers(app):
    inside = ask(app, "/classify?inside=1", ZERO)[2]["inside"]
    pixels = np.asarray(preprocessing.fit(picture(ZERO), trim=True)).max(axis=2)
    step, parts = cnn.forward(pixels, model.read_model(PAPER)), model.parts_of(model.read_model(PAPER))
    arrays = {name: getattr(step, name) for name in ("pixels", "maps_1", "pooled_1", "maps_2", "pooled_2")}
    for name, values in {**arrays, **dict(zip(("kernels_1", "kernels_2", "weights"), parts))}.items():
        np.testing.assert_allclose(np.frombuffer(demo.base64.b64decode(inside[name]), "<f4"), values.ravel(), rtol=1e-6)
    assert [inside[name] for name in ("sums", "outputs", "scaled")] == [step.sums, step.outputs, step.scaled]
    assert (inside["labels"], inside["output_sum"]) == (["0", "1"], parts.output_sum)
    assert inside["softmax"] == step.softmax.tolist()
    again = ask(app, f"/classify?inside=1&known={inside['version']}", ZERO)[2]["inside"]
    assert inside.keys() - again.keys() == {"kernels_1", "kernels_2", "weights"}  # the page has these


@pytest.mark.parametrize("name", ["paper.doc", "digits.doc"])
def test_what_each_block_would_change_is_what_inverting_it_changes(tmp_path, name):
    path = ROOT / "models" / name
    app = demo.make_application(str(path), str(tmp_path / "metadata.doc"), "127.0.0.1")
    parts = model.parts_of(model.read_model(path))
    plain = ask(app, "/classify?blocks=1", ONE)[2]
    pixels = np.asarray(preprocessing.fit(picture(ONE), trim=True)).max(axis=2)
    assert len(plain["blocks"]) == 256
    at = parts.labels.index(plain["label"])
    for block, (label, lead) in enumerate(plain["blocks"]):
        changed, row, column = pixels.copy(), 2 * (block // 16), 2 * (block % 16)
        changed[row : row + 2, column : column + 2] = 255 - changed[row : row + 2, column : column + 2]
        steps = cnn.forward(changed, parts)
        assert label == parts.labels[steps.softmax.argmax()]
        assert lead == steps.scaled[at] - max(output for i, output in enumerate(steps.scaled) if i != at)
        assert (lead > 0) == (label == plain["label"])
    worst = min(range(256), key=lambda block: plain["blocks"][block][1])
    flipped, back = (ask(app, f"/classify?flip={blocks}", ONE)[2] for blocks in (worst, f"{worst},{worst}"))
    assert flipped["label"] == plain["blocks"][worst][0]
    assert back["probabilities"] == plain["probabilities"] != flipped["probabilities"]
    assert ask(app, "/classify?flip=x", ONE)[0] == 400


def test_a_picture_without_ink_is_answered_and_called_blank(app):
    status, _, content = ask(app, "/classify", as_bytes(Image.new("L", (50, 50), "white")))
    assert (status, content["blank"], content["doubtful"]) == (200, True, False)
    cut_off = picture(ZERO, 256).crop((0, 0, 256, 150))  # the ink reaches the border
    assert ask(app, "/classify", as_bytes(cut_off))[2]["doubtful"] is True


def test_the_models_to_choose_from_and_pictures_to_try(app):
    content = ask(app, "/choices")[2]
    found = {each["name"]: each["labels"] for each in content["models"]}
    assert set(found) == {path.name for path in (ROOT / "models").glob("*.doc")}
    assert found["paper.doc"] == ["0", "1"]
    titles = [each["title"] for each in content["models"]]
    assert titles == ["0 and 1, the paper's own weights", "digits", "letters and digits", "0 and 1, as in the paper"]
    assert {sample["label"] for sample in content["samples"]} >= set("0123456789")
    assert content["samples"][0]["picture"] == "data:image/png;base64," + demo.base64.b64encode(ZERO).decode()
    assert next(iter(demo.find_models("model.doc"))) == "digits.doc"  # the page opens with the digits
    assert demo.find_models("my/digits.doc")["digits.doc"] == "my/digits.doc"
    assert ask(app, "/classify?model=digits.doc", ZERO)[2]["label"] == "0"
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


def test_a_body_that_is_no_fitting_picture_is_refused(app):
    sides = [as_bytes(Image.new("L", size))[:45] for size in ((1025, 1), (1, 1025))]  # refused before it is decoded
    bodies = {415: (b"", b"hello", as_bytes(picture(ZERO), "JPEG")), 400: (ZERO[:20], ZERO[:-60]),
              413: (*sides, bytes(300_001))}  # fmt: skip
    for status, body in [(status, body) for status, all_of_it in bodies.items() for body in all_of_it]:
        found, _, content = ask(app, "/classify", body)
        assert (found, list(content)) == (status, ["error"])
        assert 0 < len(content["error"]) < 100
    rng = np.random.default_rng(1)
    for place in rng.integers(8, len(ZERO), 50):
        damaged = ZERO[:place] + rng.bytes(1) + ZERO[place + 1 :]
        assert ask(app, "/classify", damaged)[0] in (200, 400, 413, 415)


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
        (413, "/classify", {"body": ONE, "CONTENT_LENGTH": "300001"}),
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


def test_it_says_what_to_type_and_offers_resume_only_where_it_works(files):
    found = demo.progress(*files)
    assert set(found) == {"start", "resume", "model"}
    assert (found["resume"], found["model"]) == (None, None)
    start = [*shlex.split(found["start"]), "--generations", "10"]
    subprocess.run(start, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    found = demo.progress(*files)
    assert (found["generation"], found["model"]["name"], len(found["model"]["labels"])) == (10, "model.doc", 10)
    assert "weights" not in found["model"] and "weights" in demo.progress(*files, "another version")["model"]
    assert found["resume"].endswith(f"controller.py --metadata {files[0]} --resume")
    assert found["settings"]["alpha"] == 0.0001
    write_log(files[0], 40).close()  # another training's log, as `git checkout metadata.doc` brings it back
    found = demo.progress(*files)
    assert (found["resume"], found["settings"]) == (None, {})
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


@pytest.mark.parametrize("name", ["metadata.doc", "model.doc"])
def test_something_else_in_a_files_place_is_said_and_not_waited_for(tmp_path, name):
    app = demo.make_application(str(tmp_path / "model.doc"), str(tmp_path / "metadata.doc"), "localhost")
    metadata.start_log(tmp_path / "metadata.doc", 1.0)
    question = ("/classify", ONE) if name == "model.doc" else ("/progress",)
    (tmp_path / name).write_text("1\n2\n\n\nx y z\n")
    assert [ask(app, *question)[0] for _ in range(2)] == [503, 503]
    assert re.search("expected a line for each generation|this is not a model", ask(app, *question)[2]["error"])
    (tmp_path / name).unlink()
    for make, remove in ((os.mkdir, os.rmdir), *([(os.mkfifo, os.remove)] if hasattr(os, "mkfifo") else [])):
        make(tmp_path / name)
        status, _, content = ask(app, *question)
        assert (status, f"{name}: expected a file" in content["error"]) == (503, True)
        assert ask(app, "/choices")[0] == 200
        remove(tmp_path / name)


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
    phone = r", on a phone in the same network http://[\w.-]+:\1/" if server == "waitress" else ""
    found = re.fullmatch(rf"open http://[\w.]+:(\d+)/ in a browser{phone}; Ctrl-C ends this\n", said)
    assert found, (said, process.communicate())
    return process, int(found.group(1))


@pytest.fixture(scope="module", params=["waitress", "wsgiref"])
def served(request, tmp_path_factory):
    """The port of a server that at the end must have said and kept nothing, and end at once on Ctrl-C."""
    folder = tmp_path_factory.mktemp("served")
    process, port = start_demo(folder, request.param, "--model", str(PAPER))
    with socket.create_connection(("127.0.0.1", port)):  # one stalls
        yield port
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")
    assert not os.listdir(folder)


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


@pytest.mark.parametrize("lines", [
    ("nonsense",), ("GET / HTTP/x",), ("GET / HTTP/1.1", "Host: another"),
    ("POST /classify HTTP/1.1", "Content-Length: 5", "Content-Length: 6"),
    ("POST /classify HTTP/1.1", "Content-Length: 300001"),
    ("POST /classify HTTP/1.1", "Transfer-Encoding: gzip, chunked"),
    ("GET / HTTP/1.1\r\nX: a\rHost: example.org",), ("GET / HTTP/1.1", "Origin: http://example.org"),
])  # fmt: skip
def test_a_wrong_request_is_refused_and_the_next_served(served, lines):
    answer = send(served, head(served, *lines))
    assert b" 200 OK" not in answer
    assert b"Traceback" not in answer
    assert b" 200 OK" in send(served, head(served))


# The command


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


def test_the_whole_network_needs_waitress_or_is_refused_in_one_line(tmp_path, run_script):
    (tmp_path / "waitress.py").write_text("raise ImportError\n")
    done = run_script("demo.py", "--host", "0.0.0.0", "--port", "0", "--model", PAPER,
                      env={**os.environ, "PYTHONPATH": str(tmp_path)})  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    needed = rf"demo\.py: --host 0\.0\.0\.0: other machines are served by waitress: {INSTALL}waitress\n"
    assert re.fullmatch(needed, done.stderr)


def test_it_starts_before_there_is_a_model_and_a_port_in_use_is_said_on_one_line(tmp_path, run_script):
    process, port = start_demo(tmp_path, "wsgiref", "--model", "new.doc")
    assert b"characters.doc" in send(port, head(port, "GET /choices HTTP/1.1"))
    done = run_script("demo.py", "--model", PAPER, "--port", port)
    process.kill()
    process.communicate()
    expected = f"demo.py: 127.0.0.1, port {port}: Address already in use; choose another --host or --port\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)


@pytest.mark.parametrize(("code", "arguments", "said"), [
    (1, ["--host", "a" * 70], "demo.py: " + "a" * 70 + ", port 8000: not an address; "),
    (1, ["--model", "README.md"], "demo.py: README.md, line 1: this is not a model"),
    (2, ["--port", "70000"], "demo.py: --port: expected 0 to 65535, found 70000; see demo.py --help"),
])  # fmt: skip
def test_what_cannot_be_served_is_said_on_one_line(run_script, code, arguments, said):
    done = run_script("demo.py", "--model", PAPER, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1
