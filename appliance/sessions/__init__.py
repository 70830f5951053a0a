"""Sessions: who is here, who was."""
