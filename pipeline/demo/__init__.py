"""Drawn micrographs of crystallisation drops, so that everything can be tried without data."""
