"""Local users."""
