"""Labelled plates in, finished versions of a balanced TFRecord dataset out."""
