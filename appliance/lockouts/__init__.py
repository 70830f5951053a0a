"""Lockouts: whoever keeps failing to log in must wait, at the panel and at the gateway, and how that ends."""
