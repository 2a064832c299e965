"""Each script answers one question and prints a table: python -m experiments.NAME."""
