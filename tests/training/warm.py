"""Imported by the server that training processes are forked from: what each would otherwise read anew."""

from lyrics.vocabulary import Vocabulary

Vocabulary.shipped()
