"""How imagers write their files: extensions, and names that tell the drop."""

import re

# Of the formats that the pipeline decodes, as imagers name them.
EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff"})

# How imagers name their files; the named parts make the group, so that all images of one
# drop, whenever taken, stay in one split. Each is matched against the end of the path.
_GRAMMARS = tuple(
    re.compile(pattern + r"\.[A-Za-z]+$")
    for pattern in (
        # RockMaker: plateID_8/batchID_12/wellNum_3/profileID_1/d1_r1024_ef.jpg; a batch is
        # an inspection of the plate
        r"(?P<plate>plateID_\d+)/batchID_\d+/(?P<well>wellNum_\d+)/profileID_\d+/"
        r"(?P<drop>d\d+)_r\d+_\w+",
        # Human imager of HWI: X0000158040093202004011137.jpg
        r"(?:^|/)(?P<plate>X\d{9})(?P<well>\d{4})\d{12}",
        # MARCO and GSK: 03c3_G6_ImagerDefaults_6.jpg
        r"(?:^|/)(?P<plate>[0-9A-Za-z]{4,})_(?P<well>[A-P]\d{1,2})_[A-Za-z]+_\d+",
        # Diamond XChem: 90j8_2018-04-11_RI1000-0081-2drop/90j8_01A_1.jpg
        r"(?:^|/)(?P<plate>[0-9A-Za-z]{4})_(?P<well>\d{2}[A-H])_(?P<drop>\d)",
    )
)


def group_of(path: str) -> str:
    """Returns the drop that a path of an imager names, or "" where it names none.

    >>> group_of("Clear/03c3_G6_ImagerDefaults_6.jpg")
    '03c3_G6'
    """
    for grammar in _GRAMMARS:
        match = grammar.search(path)
        if match:
            return "_".join(match.groups())
    return ""
