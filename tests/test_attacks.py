"""demo.py under attack, by waitress and by wsgiref: a newcomer is served, memory stays small, nothing is said or kept.

Slow; prints a table with `python -m pytest -m slow -s tests/test_attacks.py`. Only this machine is attacked.
"""

import contextlib
import io
import os
import random
import signal
import socket
import threading
import time

import pytest
from PIL import Image, ImageDraw
from test_demo import ONE, PAPER, SERVERS, start_demo

pytestmark = pytest.mark.slow
SECONDS = 8  # that an attack goes on for
PAGE_WITHIN, ANSWER_WITHIN, MEMORY = 1, 2, 150  # seconds, seconds, MB
DRAWN = b"POST /classify HTTP/1.1\r\nHost: localhost:%d\r\nContent-Length: %d\r\n\r\n"


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def request(port, data):
    """All that the server answers to one request, on a connection of its own, and the seconds it took."""
    started = time.monotonic()
    with connect(port) as connection:
        connection.sendall(data)
        answer = b""
        while b"\r\n\r\n" not in answer or len(answer.split(b"\r\n\r\n", 1)[1]) < length_of(answer):
            part = connection.recv(65536)
            if not part:
                break
            answer += part
    return answer, time.monotonic() - started


def length_of(answer):
    lines = answer.split(b"\r\n\r\n")[0].lower().split(b"\r\n")
    return next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), 0)


def get(port):
    return b"GET / HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % port


def post(port, body):
    return DRAWN % (port, len(body)) + body


def largest_picture():
    """A PNG of 1,024x1,024 in colour with noise in part, as large as may be sent."""
    image = Image.new("RGBA", (1024, 1024), "white")
    ImageDraw.Draw(image).ellipse((200, 100, 800, 900), outline="black", width=90)
    rows = 48
    image.paste(Image.frombytes("RGBA", (1024, rows), random.Random(1).randbytes(1024 * rows * 4)), (0, 0))
    while True:
        data = io.BytesIO()
        image.save(data, "PNG")
        if data.tell() <= 200_000:
            return data.getvalue()
        rows -= 4
        image.paste("white", (0, rows, 1024, 1024 if rows < 0 else rows + 4))


# The attacks: each is started with the port, the moment it ends, and a stack for its connections


def stalled(port, end, stack):
    """300 connections that send nothing, half a head, or half a body."""
    beginnings = [b"", b"POST /classify HTTP/1.1\r\nHo", DRAWN % (port, 5000) + b"\x89PNG"]
    for number in range(300):
        stack.enter_context(connect(port)).sendall(beginnings[number % 3])


def kept_alive(port, end, stack):
    """256 connections with a request every 5 seconds."""

    def client(delay):
        connection = None
        time.sleep(delay)
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                connection = connection or stack.enter_context(connect(port))
                connection.sendall(get(port))
                if not connection.recv(65536):
                    connection = None
            time.sleep(5)

    run_threads([(client, number * 5 / 256) for number in range(256)], stack)


def large_headers(port, end, stack):
    """250 connections with 97 headers of 64 KB each."""
    header = b"X: " + b"x" * 65_000 + b"\r\n"

    def client():
        with contextlib.suppress(OSError):
            connection = stack.enter_context(connect(port))
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost:%d\r\n" % port)
            for _ in range(97):
                connection.sendall(header)

    run_threads([(client,)] * 250, stack)


def drip_fed(port, end, stack):
    """300 bodies, all but whole, that come a byte every half second."""
    connections = [stack.enter_context(connect(port)) for _ in range(300)]
    for connection in connections:
        with contextlib.suppress(OSError):
            connection.sendall(DRAWN % (port, 200_000) + bytes(190_000))

    def client():
        while time.monotonic() < end:
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.sendall(b"x")
            time.sleep(0.5)

    run_threads([(client,)], stack)


def large_pictures(port, end, stack):
    """30 of the largest pictures at once, again and again."""
    data = post(port, largest_picture())

    def client():
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                request(port, data)

    run_threads([(client,)] * 30, stack)


def many_requests(port, end, stack):
    """2,000 questions from 16 clients."""
    wrong = []
    stack.callback(lambda: wrong and pytest.fail(f"{len(wrong)} answers were none: {wrong[0][:200]}"))

    def client():
        for _ in range(125):
            answer, _ = request(port, post(port, ONE))
            if b'"label": "1"' not in answer:
                wrong.append(answer)

    run_threads([(client,)] * 16, stack)


def smuggled(port, end, stack):
    """Requests of which one server would see one and another two."""
    host = b"Host: localhost:%d\r\n" % port
    inner = b"GET /choices HTTP/1.1\r\n" + host + b"\r\n"
    length = b"Content-Length: %d\r\n" % len(inner)
    attempts = [
        b"Content-Type: multipart/form-data; boundary=x\r\nnonsense\r\n" + length + b"\r\n" + inner,
        b"Content-Length: 5\r\n" + length + b"\r\n" + inner,
        b"Content-Length: %d, 5\r\n\r\n" % len(inner) + inner,
        b"X: a\rContent-Length: 0\r\n" + length + b"\r\n" + inner,
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + b"GET /",
        b"Transfer-Encoding: xchunked\r\n" + length + b"\r\n" + inner,
        b"Transfer-Encoding\r\n: chunked\r\n\r\n0\r\n\r\n" + inner,
    ]

    def client():
        for attempt in attempts * 3:
            with connect(port) as connection, contextlib.suppress(OSError):
                connection.sendall(b"POST /classify HTTP/1.1\r\n" + host + attempt)
                connection.shutdown(socket.SHUT_WR)
                answer = b"".join(iter(lambda c=connection: c.recv(65536), b""))
                assert b'"models"' not in answer, attempt

    run_threads([(client,)] * 4, stack)


def unread(port, end, stack):
    """300 connections with 160 requests each, none of whose answers is read."""
    asked = b"GET /choices HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % port
    for _ in range(300):
        connection = stack.enter_context(socket.socket())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        connection.sendall(asked * 160)


def run_threads(calls, stack):
    """Run each (function, arguments...) in a thread; the stack's end waits for them, and raises what they raised."""
    errors = []

    def guarded(function, *arguments):
        try:
            function(*arguments)
        except BaseException as error:
            errors.append(error)

    def finish(threads):
        for thread in threads:
            thread.join(60)
        if errors:
            raise errors[0]

    threads = [threading.Thread(target=guarded, args=call, daemon=True) for call in calls]
    stack.callback(finish, threads)
    for thread in threads:
        thread.start()


ATTACKS = [stalled, kept_alive, large_headers, drip_fed, large_pictures, many_requests, smuggled, unread]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
@pytest.mark.parametrize("server", SERVERS)
def test_a_newcomer_is_served_while_others_attack(tmp_path, server, attack):
    process, port = start_demo(tmp_path, server, "--model", str(PAPER))
    before = sorted(os.listdir(tmp_path))
    waits = {"page": [], "answer": []}
    with contextlib.ExitStack() as stack:
        stack.callback(process.kill)
        end = time.monotonic() + SECONDS
        with contextlib.ExitStack() as attackers:
            attack(port, end, attackers)
            while time.monotonic() < end:
                answer, seconds = request(port, get(port))
                assert b"200 OK" in answer, answer[:200]
                waits["page"].append(seconds)
                answer, seconds = request(port, post(port, ONE))
                assert b'"label": "1"' in answer, answer[:200]
                waits["answer"].append(seconds)
                time.sleep(0.05)
        with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
            memory = next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    page, answer = max(waits["page"]), max(waits["answer"])
    print(f"\n| {server} | {attack.__doc__.split('.')[0]} | {page:.2f} s | {answer:.2f} s | {memory:.0f} MB |")
    assert (process.returncode, out, err) == (0, "", "")
    assert sorted(os.listdir(tmp_path)) == before
    assert page < PAGE_WITHIN
    assert answer < ANSWER_WITHIN
    assert memory < MEMORY
