"""Papers from PubMed, arXiv or files on disk to clean, deduplicated `Paper` records."""
