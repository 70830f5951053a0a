"""Transcripts: what gateway and client said to each other, message by message, without secrets."""
