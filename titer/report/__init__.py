"""From scores to reading matter: report.html, report.md and the model cards.

Invariant: nothing is computed here that a verdict needs, and what is absent is printed as
`not recorded`, never guessed.
"""
