"""Learners as pure functions of arrays: SAC, its networks, replay and evaluation."""
