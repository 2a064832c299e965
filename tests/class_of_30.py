"""Thirty phones watch a training at once, each with a drawing of its own: requests a second, and the slowest answer.

    python tests/class_of_30.py [phones] [seconds]

It starts a training and demo.py with waitress in a folder of its own. Each phone asks as pages/training.js does: once a
second how the training goes and, when the model has changed, what it makes of the drawing. All share this machine.
"""

import http.client
import io
import json
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
import demo  # noqa: E402


def drawing(number):
    """Return the PNG of a stroke that no other phone draws."""
    image, rng = Image.new("L", (256, 256), 255), np.random.default_rng(number)
    ImageDraw.Draw(image).line([tuple(point) for point in rng.integers(32, 224, (5, 2)).tolist()], fill=0, width=24)
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def phone(number, port, end, answers):
    """Ask until `end`; note (seconds, bytes) of each answer."""
    known, picture, connection = "none", drawing(number), http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(method, path, body=None):
        begun = time.monotonic()
        connection.request(method, path, body, {"Accept-Encoding": "gzip"})
        data = connection.getresponse().read()
        answers.append((time.monotonic() - begun, len(data)))
        return json.loads(demo.gzip.decompress(data))

    time.sleep(number / 30 % 1)
    while time.monotonic() < end:
        begun = time.monotonic()
        found = ask("GET", f"/progress?known={known}")["model"]
        if found["version"] != known:
            known = found["version"]
            ask("POST", f"/classify?inside=1&model={found['name']}&known={known}", picture)
        took = time.monotonic() - begun
        time.sleep(min(10, max(1, 4 * took)))  # as pages/training.js


def main(phones=30, seconds=20):
    with tempfile.TemporaryDirectory() as folder:
        data = "--dataset", ROOT / "dataset"
        training = subprocess.Popen([sys.executable, ROOT / "controller.py", *demo.WORTH_WATCHING, *data],
                                    cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        while not Path(folder, "model.doc").exists():
            time.sleep(0.1)
        server = subprocess.Popen([sys.executable, ROOT / "demo.py", "--host", "0.0.0.0", "--port", "0"],
                                  cwd=folder, stdout=subprocess.PIPE, text=True)  # fmt: skip
        port, answers, end = int(server.stdout.readline().split("localhost:")[1].split("/")[0]), [], time.monotonic()
        ask = [threading.Thread(target=phone, args=(n, port, end + seconds, answers)) for n in range(phones)]
        for thread in ask:
            thread.start()
        for thread in ask:
            thread.join()
        for process in (training, server):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            process.send_signal(signal.SIGINT)
            process.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / seconds
    times, sizes = np.array(answers).T
    rate, bulk = len(times) / seconds, sizes.sum() / seconds / 1000
    print(f"{phones} phones, {seconds} s: {rate:.0f} requests a second, {bulk:,.0f} kB a second; "
          f"an answer takes {np.median(times):.3f} s, the slowest {times.max():.3f} s; "
          f"the server needs {busy:.0%} of a core")  # fmt: skip


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
