"""History: who came, who went, who was turned away, as the event table keeps it."""
