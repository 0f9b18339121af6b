"""Records of one split, from the shards of a version to batches on the device's doorstep.

The order of an epoch is computed (`order`), not the outcome of threads that race, so it is the
same whether the split lies in memory or is read as it is needed. Chunks of shards are read and
checked here (`chunks`), some at a time in threads; tf.data cuts, buffers and hands on batches.
"""

from trainer.input.faults import data_errors
from trainer.input.split import SplitReader, open_split

__all__ = ["SplitReader", "data_errors", "open_split"]
