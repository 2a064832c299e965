"""Start a training, kill it without warning, look at its files, go on: again and again. Run by test_resume.py.

python kill_loop.py FOLDER KILLS SECONDS [--train-kernels]: FOLDER holds dataset/; prints, for each kill,
the generations to do again
"""

import os
import random
import signal
import sys
import time

import metadata
import model
import training

folder, kills, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
more = {"train_kernels": True, "jitter": True} if "--train-kernels" in sys.argv else {}
training.WRITE_EVERY = 0.005  # seconds: more writing, so that more kills meet a write
os.chdir(folder)
random.seed(1)
until = time.monotonic() + seconds
resume = os.path.exists("metadata.doc.resume")
for _ in range(kills):
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, the child is killed
        settings = {"seed": 6, "resume": resume, "progress": lambda *_, tell=tell: os.write(tell, b"."), **more}
        training.train(0.003 if more else 1e-7, 10**9, "model.doc", "metadata.doc", **settings)
    os.read(told, 1)  # it trains now
    os.close(told)
    os.close(tell)
    time.sleep(random.random() * 0.06)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    resume = True
    rows = metadata.read_metadata("metadata.doc")
    assert rows["generation"].tolist() == list(range(1, len(rows) + 1))
    assert len(model.read_model("model.doc")) == 5
    kept = training.read_state("metadata.doc")["generation"]
    assert kept <= len(rows)
    print(len(rows) - kept)
    if time.monotonic() > until:
        break
