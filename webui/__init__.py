"""The administrator's pages: each calls the same service as its API endpoint; neither holds logic."""
