"""Hypothesis strategies that several test modules share."""

import string

from hypothesis import strategies as st

from schemas.manifest import ManifestRow
from schemas.records import IMAGE_BYTES, Record

# Text that UTF-8 can write: no lone surrogates.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ids = texts.filter(bool)
seeds = st.integers(0, 2**63 - 1)
int64s = st.integers(0, 2**63 - 1)
hex_digests = st.text(string.hexdigits.lower()[:16], min_size=32, max_size=32)

# 16,384 drawn bytes would be slow to draw and say no more than one repeated pattern.
images = st.binary(min_size=1, max_size=64).map(
    lambda some: (some * (IMAGE_BYTES // len(some) + 1))[:IMAGE_BYTES]
)

records = st.builds(
    Record,
    image=images,
    label=int64s,
    image_id=texts,
    group=texts,
    variant=int64s,
    copies=int64s,
    render_key=hex_digests | texts,
)


def manifest_rows(labels: int, *, max_size: int = 40) -> st.SearchStrategy[list[ManifestRow]]:
    """Lists of rows with distinct ids, few groups and labels 0 to `labels` - 1."""
    row = st.builds(
        lambda image_id, group, label: ManifestRow(image_id, image_id + ".jpg", label, group),
        ids,
        st.integers(0, 9).map("drop-{}".format),
        st.integers(0, labels - 1),
    )
    return st.lists(row, min_size=1, max_size=max_size, unique_by=lambda row: row.image_id)
