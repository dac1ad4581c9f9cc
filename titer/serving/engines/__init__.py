"""One module per engine; each is an `Engine` of `titer.serving.engine`."""
