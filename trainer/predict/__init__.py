"""Prediction: images that no dataset holds, through a trained network, to a ranked list.

Sources are found (`sources`), read in one place (`reading`), rendered by worker processes
ahead of the network (`ahead`, `views`), classified in batches (`classify`), ranked
(`predictions`), and written as a table (`tables`) and as a page to look at (`gallery`).
The pixels come from `pipeline.render`, which also rendered what the network learned from.
"""
