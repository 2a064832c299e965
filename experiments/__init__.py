"""A question, a command, a table each: python -m experiments.NAME. Nothing but their tests imports them."""
