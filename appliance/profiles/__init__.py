"""Connection profiles."""
