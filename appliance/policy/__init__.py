"""What a user may do once it is in: the attributes, and the levels that they come from."""
