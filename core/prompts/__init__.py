"""Prompt texts, and the parsers of their replies."""
