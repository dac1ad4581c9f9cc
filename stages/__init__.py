"""The table of contents: one module per stage of dvc.yaml, module = function = stage name."""
