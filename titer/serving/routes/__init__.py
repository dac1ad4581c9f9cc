"""The endpoints, one module per contract; each takes a request apart and asks."""
