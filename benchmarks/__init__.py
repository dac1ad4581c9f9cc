"""Measurements against peers and bounds; not run by pytest but in part."""
