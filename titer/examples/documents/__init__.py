"""A user's own documents to chat examples: found, read in a process of their own, cut, asked.

Invariant: an answer is a span of a document's extracted text, a document stands in one split, and
every file that teaches nothing is listed with its reason.
"""
