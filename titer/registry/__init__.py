"""Versions of judged models: DVC artifacts and GTO's Git tags, and nothing beside them."""
