"""Graphs, by matplotlib, an extra that nothing but the graphs needs. Not in the paper."""

import io
import warnings

from support.commandline import pip_install
from support.files import InputError, write_whole


def new_figure(width, height, note=""):
    """An empty matplotlib figure, in inches. Raises InputError, which ends with `note`, where matplotlib is missing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # older versions use what newer ones of their parts advise against
            from matplotlib.figure import Figure  # noqa: PLC0415, an extra
    except ImportError:
        ways = f"{pip_install('matplotlib')}, or sudo apt install python3-matplotlib"
        raise InputError(f"the graphs need matplotlib; install it with {ways}{note}") from None
    return Figure((width, height))


def save_figure(figure, path):
    """Write a matplotlib figure as a PNG file of 200 dots an inch, drawn in memory: no screen is needed."""
    data = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of characters that its font lacks: a box is drawn for them
        figure.savefig(data, format="png", dpi=200)
    write_whole(path, data.getvalue())
