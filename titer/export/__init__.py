"""What other tools can read: one module per target."""
