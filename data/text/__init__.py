"""Texts to ids and back: tokenizers, vocabularies, characters and word vectors."""
