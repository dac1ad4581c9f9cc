"""Chats with ratings: kept with consent, forgotten on request, exported as training rows."""
