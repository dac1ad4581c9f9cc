"""The benchmark and its verdict: what is asked, how it is scored, when a fine-tune helped."""
