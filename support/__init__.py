"""What the scripts share and the paper does not have: files, the command line, graphs, finding ink and pictures."""
