"""The inference service: one process, one engine loop for each resident checkpoint.

Text crosses at the engine's edge alone; below it there are token ids. Nothing here knows users, allowances or SQL.
"""
