"""Trains and evaluates eight networks on the shards of a dataset, and prints a paper's tables."""
