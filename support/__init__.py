"""What the scripts share: files, the command line, graphs, the ink in a photo, the paths of pictures.

Every script imports this before it touches a file, so an old Python is told here.
"""

import sys

if sys.version_info < (3, 9):  # noqa: UP036, an old Python gets here too
    found = ".".join(map(str, sys.version_info[:2]))
    sys.exit("expected Python 3.9 or newer, found " + found + "; install a newer one and start it by its name")
