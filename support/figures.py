"""Graphs by matplotlib, an extra that nothing but the graphs needs. Not in the paper."""

import io
import warnings

from support.commandline import install
from support.files import InputError, write_whole


def new_figure(width, height, note=""):
    """Return an empty matplotlib figure, in inches. Raises InputError, ending with `note`, if matplotlib is missing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # new versions of NumPy and pyparsing warn of what old matplotlib does
            import matplotlib  # noqa: PLC0415, an extra
            from matplotlib.figure import Figure  # noqa: PLC0415, an extra

            matplotlib.rcdefaults()  # a user's own settings, such as usetex, must not break a graph
    except ImportError:
        raise InputError(f"the graphs need matplotlib: {install('matplotlib')}{note}") from None
    return Figure((width, height))


def save_figure(figure, path):
    """Write a matplotlib figure as a PNG file of 200 dots an inch. It is drawn in memory: no screen is needed."""
    data = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # characters that the font lacks are drawn as boxes
        figure.savefig(data, format="png", dpi=200)
    write_whole(path, data.getvalue())
