"""Refusals: why was this client refused?"""
