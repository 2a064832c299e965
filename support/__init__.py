"""What the scripts share and the paper has none of. It stands below them all, and imports nothing of theirs.

A script that is started imports this first of all: whatever ends it while it starts is one line.
"""

import importlib.util
import os
import signal
import sys

SCRIPTS = ("cnn.py", "controller.py", "demo.py", "network.py", "preprocessing.py", "results.py")
# Whether one of them was started, or a module of ours with -m, not somebody's shell or script that imports it.
STARTING = sys.argv[0] == "-m" or os.path.basename(sys.argv[0]) in SCRIPTS


def end(code, text):
    """End at once, with a line on stderr: within an import, exceptions may be lost, or come with a traceback."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
    os._exit(code)


def python():
    """The Python that runs this, as it is typed: IDLE's own on Windows, pythonw, would print nothing."""
    return sys.executable.replace("pythonw.exe", "python.exe")


def pip_install(what):
    """The command that installs something for the Python that runs this."""
    quote = '"' if " " in python() else ""
    return f"{quote}{python()}{quote} -m pip install {what}"


def interrupted(number, frame):
    """What Ctrl-C does until support.commandline.run()."""
    end(130, "stopped")


def unraisable(what):
    """What is said of an error that Python can only ignore; Ctrl-C, where it is one, is not to be lost."""
    if what.exc_type is KeyboardInterrupt:
        end(130, "stopped")
    sys.__unraisablehook__(what)


if STARTING:
    sys.unraisablehook = unraisable
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupted)
    if sys.version_info < (3, 9):  # noqa: UP036, this is where it is said
        end(1, f"this needs Python 3.9 or newer, found {sys.version.split()[0]}; start it with another")
    for name, package in (("numpy", "numpy"), ("PIL", "pillow")):
        if importlib.util.find_spec(name) is None:
            ways = f"{pip_install(package)}, or sudo apt install python3-{name.lower()}"
            end(1, f"this needs {package}, which this Python has not; install it with {ways}")
