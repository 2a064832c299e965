"""What the scripts share and the paper has none of. It stands below them all, and imports nothing of theirs."""
