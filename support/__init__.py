"""Files, the command line, graphs and data sets: what the scripts share and the paper has none of."""
