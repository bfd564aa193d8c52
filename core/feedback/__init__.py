"""Feedback: questions, rounds, label store, sampling of pairs, and teachers."""
