"""``/api/v1``: what every noun's routes are made of, how failures are told, and the document that describes it all.

The routes themselves are with their nouns, in ``endpoints``.
"""
