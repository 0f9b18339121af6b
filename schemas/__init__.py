"""The contracts that the pipeline and the trainer share.

Nothing here imports from `pipeline` or `trainer`, nor Beam or TensorFlow.
"""
