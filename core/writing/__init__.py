"""Rewards written by a language model: the writer, its history, its report."""
