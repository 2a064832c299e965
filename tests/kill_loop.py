"""Train, kill without warning, look at the files, go on, again and again: python kill_loop.py FOLDER SECONDS SETTINGS.

Run by test_resume.py. FOLDER holds dataset/, SETTINGS are JSON. For each kill it prints the generations to do again.
"""

import json
import os
import pathlib
import random
import signal
import sys
import time

from test_resume import LOG, train

import metadata
import model
import training

folder, settings = pathlib.Path(sys.argv[1]), json.loads(sys.argv[3])
training.WRITE_EVERY = 0.005  # seconds: more writing, so that more kills meet a write
until, resume = time.monotonic() + float(sys.argv[2]), False
while time.monotonic() < until:
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        train(folder, 10**9, resume=resume, progress=lambda *_, tell=tell: os.write(tell, b"."), **settings)
    os.close(tell)
    assert os.read(told, 1), "the training ended before it was killed"
    os.close(told)
    time.sleep(random.random() * 0.06)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    resume = True
    rows = metadata.read_metadata(folder / LOG)
    assert rows["generation"].tolist() == list(range(1, len(rows) + 1))
    assert len(model.read_model(folder / "model.doc")) == 5
    kept = metadata.read_state(folder / LOG).generation
    assert kept <= len(rows)
    print(len(rows) - kept)
