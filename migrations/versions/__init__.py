"""One file a step, oldest first by name; ``down_revision`` holds the true order."""
