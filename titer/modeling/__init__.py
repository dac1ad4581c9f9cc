"""Everything that touches weights: download, build, load, render, generate, score."""
