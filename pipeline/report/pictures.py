"""The contact sheet: variants of some images of each label, pixel for pixel."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from pipeline.report import wording
from pipeline.report.balance import label_name
from pipeline.report.facts import Label, ReportFacts, labels_of
from pipeline.report.markup import Html, cut, element, given
from pipeline.sheet import SheetImage

_LONGEST_ID = 60  # characters shown below a picture


def pictures_section(facts: ReportFacts) -> Html:
    """Returns the contact sheet, in the order of the label set."""
    note = (
        "Some images of each label of the training split, drawn by name, with up to four of "
        "their variants as stored. Every variant is turned and flipped at random, so what "
        "fills the corners must look alike in all labels."
    )
    return element(
        "section",
        element("h2", "Contact sheet"),
        element("p", note, class_="note"),
        element("input", type="checkbox", id="double"),
        element("label", "Show pixels at double size", for_="double"),
        *(
            _label(label, [image for image in facts.sheet if image.label == label.name])
            for label in labels_of(facts.metadata)
        ),
        id="pictures",
    )


def _label(label: Label, images: Sequence[SheetImage]) -> Html:
    if images:
        shown = element("div", *map(_image, images), class_="images")
    else:
        shown = element("p", "No usable image in the training split.", class_="note")
    return element("div", element("h3", label_name(label)), shown, class_="label")


def _image(image: SheetImage) -> Html:
    pictures = (
        element(
            "img",
            src=png_uri(variant),
            width=str(variant.shape[1]),
            height=str(variant.shape[0]),
            alt=f"Variant {number} of {image.copies} of {cut(image.image_id, _LONGEST_ID)}",
        )
        for number, variant in enumerate(image.variants, start=1)
    )
    caption = element(
        "figcaption",
        given(image.image_id, _LONGEST_ID),
        element("span", wording.count(image.copies, "copy", "copies"), class_="copies"),
    )
    return element("figure", element("div", *pictures, class_="variants"), caption)


def png_uri(pixels: np.ndarray) -> str:
    """Returns a picture as the text of a link that holds it.

    Args:
        pixels: uint8 array of shape [height, width].
    """
    stream = io.BytesIO()
    # as small as at the highest level within a percent or two, in a third of the time
    Image.fromarray(pixels).save(stream, "PNG", compress_level=4)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
