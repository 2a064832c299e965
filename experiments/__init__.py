"""A question, a command, a table each: python -m experiments.NAME. Nothing but their tests imports them."""

import support  # noqa: F401, before anything else: it says what is missing
