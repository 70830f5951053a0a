"""Octets to values and back: no state, no keys (RFC 2408 section 3, RFC 7296 section 3)."""
