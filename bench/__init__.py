"""Benchmarks: each prints a table and writes JSON lines. They measure; nothing imports them but their tests."""
