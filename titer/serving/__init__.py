"""Fine-tunes answering over HTTP: a gateway that checks, and engines that answer."""
