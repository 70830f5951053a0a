"""What becomes of the engine's events: stays, rows, history, transcripts, written in few transactions (0020)."""
