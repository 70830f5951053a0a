"""Client profiles: the files that set up a user's client, and links that give one of them out once."""
