"""A question, a command, a table each: `python -m experiments.NAME`. They may import everything; nothing imports them."""
