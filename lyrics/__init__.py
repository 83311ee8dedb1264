"""The ear: phones, syllables, rhyme, metre and form of English lyrics. Pure: no I/O but its own dictionary.

Knows nothing of language models, requests or rows. Every function carries a doctest with a real word or line.
"""
