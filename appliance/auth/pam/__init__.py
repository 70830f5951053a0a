"""Logins through PAM: the realm in the gateway, and the privileged worker that alone talks to libpam.

gateway: realm -> client  == one socket pair ==  worker (root, no network) -> one process an attempt: conversation
"""
