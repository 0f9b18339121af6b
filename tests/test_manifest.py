"""Manifests: what is read, and every fault reported together with its line."""

import csv
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.labels import MARCO4, PAPER10
from schemas.manifest import (
    Fault,
    ManifestError,
    ManifestRow,
    default_image_id,
    read_manifest,
    write_manifest,
)
from tests.strategies import texts

LABELS = MARCO4
CLEAR, CRYSTALS = 0, 1


def read(content: bytes | str) -> list[ManifestRow]:
    data = content.encode() if isinstance(content, str) else content
    return read_manifest(io.BytesIO(data), labels=LABELS, name="plates.csv")


def faults(content: bytes | str) -> list[tuple[int, str]]:
    """Returns the faults that reading finds, as (line, message)."""
    with pytest.raises(ManifestError) as caught:
        read(content)
    for fault in caught.value.faults:
        assert len(fault.message) < 400
        assert fault.message.isprintable()
    assert len(str(caught.value)) < 10_000
    return [(fault.line, fault.message) for fault in caught.value.faults]


def outcome(content: bytes) -> list[ManifestRow] | list[Fault]:
    """Returns the rows, or else the faults: there is no third way."""
    try:
        return read(content)
    except ManifestError as error:
        return error.faults


def to_parquet(text: str) -> bytes:
    """Returns a CSV manifest as a Parquet file; empty cells become nulls."""
    header, *lines = csv.reader(io.StringIO(text))
    columns = zip(*lines, strict=True) if lines else ([] for _ in header)
    table = pa.table(
        {
            name: pa.array([cell or None for cell in cells], pa.string())
            for name, cells in zip(header, columns, strict=True)
        }
    )
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


# What is read


def test_a_row_and_its_defaults():
    assert read("uri,label\nplates/a.b/01.jpg,crystals\n") == [
        ManifestRow(
            image_id="plates/a.b/01",
            uri="plates/a.b/01.jpg",
            label=CRYSTALS,
            group="plates/a.b/01",
            split=None,
            checksum=None,
        )
    ]


ALL_COLUMNS = (
    "uri,label,image_id,group,split,checksum,note\n"
    "gs://plates/a.jpg,Clear,a,drop-1,train,ff00,first\n"
    "/plates/b.jpg,CRYSTALS,,drop-1,train,,\n"
    "c.png,precipitant,c,,val,,\n"
    "d.tiff,Other,,,,,\n"
)


@pytest.mark.parametrize("convert", [str, to_parquet])
def test_all_columns(convert):
    assert read(convert(ALL_COLUMNS)) == [
        ManifestRow("a", "gs://plates/a.jpg", 0, "drop-1", "train", "ff00"),
        ManifestRow("/plates/b", "/plates/b.jpg", 1, "drop-1", "train", None),
        ManifestRow("c", "c.png", 3, "c", "validation", None),
        ManifestRow("d", "d.tiff", 2, "d", None, None),
    ]


@pytest.mark.parametrize(
    ("uri", "image_id"),
    [
        ("a.jpg", "a"),
        ("a", "a"),
        ("x.y/a", "x.y/a"),
        ("gs://bucket/x.y/a.tar.jpg", "gs://bucket/x.y/a.tar"),
        ("x.y/", "x.y/"),
        (".jpg", ".jpg"),
    ],
)
def test_an_id_is_the_uri_without_its_extension(uri, image_id):
    assert default_image_id(uri) == image_id


def test_order_of_columns_and_of_rows_is_the_files():
    rows = read("note,Label , URI\nx,Clear,b.jpg\ny,Other,a.jpg\n")
    assert [(row.uri, row.label) for row in rows] == [("b.jpg", 0), ("a.jpg", 2)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_a_byte_order_mark_do_not_matter(end, mark):
    text = end.join((f"{mark}uri,label", "a.jpg,Clear", "b.jpg,Other", "c.jpg,Nope", ""))
    assert [line for line, _ in faults(text)] == [4]
    rows = read(text.replace("Nope", "Clear"))
    assert [row.uri for row in rows] == ["a.jpg", "b.jpg", "c.jpg"]


def test_the_last_line_needs_no_end():
    assert len(read("uri,label\na.jpg,Clear")) == 1


@pytest.mark.parametrize(
    "uri", ["a b.jpg", " a.jpg", "Tröpfchen/µ晶 1.jpg", "e\u0301.jpg", "a\u00a0b.jpg", "💧.jpg"]
)
def test_spaces_and_unicode_in_paths_stay(uri):
    for convert in (str, to_parquet):
        (row,) = read(convert(f"uri,label\n{uri},Clear\n"))
        assert row.uri == uri


def test_quoted_cells():
    (row,) = read('uri,label\n"a ""b"", c.jpg",Clear\n')
    assert row.uri == 'a "b", c.jpg'


@pytest.mark.parametrize("blank", ["", "   ", ",", " , "])
def test_blank_lines_are_skipped_and_counted(blank):
    text = f"{blank}\nuri,label\n{blank}\na.jpg,Clear\n{blank}\n{blank}\n"
    assert len(read(text)) == 1
    assert faults(text.replace("Clear", "Nope"))[0][0] == 4


def test_the_stream_stays_open():
    stream = io.BytesIO(b"uri,label\na.jpg,Clear\n")
    read_manifest(stream, labels=LABELS, name="m")
    bad = io.BytesIO(b"uri\n")
    with pytest.raises(ManifestError):
        read_manifest(bad, labels=LABELS, name="m")
    assert not stream.closed
    assert not bad.closed


# What is refused


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"  \r\n"])
def test_empty_file(content):
    ((line, message),) = faults(content)
    assert line == 1
    assert "empty; wanted a header with uri and label" in message


@pytest.mark.parametrize("convert", [str, to_parquet])
def test_header_only(convert):
    assert faults(convert("uri,label\n")) == [(1, "there is a header but no image below it")]


@pytest.mark.parametrize("convert", [str, to_parquet])
def test_an_origin_is_kept_as_written(convert):
    rows = read(convert("uri,label,origin\na.jpg,Clear, drawn \nb.jpg,Clear,\n"))
    assert [row.origin for row in rows] == ["drawn", None]


@pytest.mark.parametrize("convert", [str, to_parquet])
@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("uri,lable", "no column label; got: 'uri, lable'"),
        ("path,label", "no column uri; got: 'path, label'"),
        ("path,class", "no column uri and no column label; got: 'path, class'"),
    ],
)
def test_missing_column(convert, header, message):
    assert faults(convert(f"{header}\na.jpg,Clear\n")) == [(1, message)]


def test_the_line_of_a_bad_header_is_its_own():
    assert [line for line, _ in faults("\n\nuri\na.jpg\n")] == [3]


def test_column_twice():
    assert faults("uri,label,Label\na.jpg,Clear,Other\n") == [
        (1, "column label stands there twice")
    ]


def test_semicolons():
    ((line, message),) = faults("uri;label\na.jpg;Clear\n")
    assert line == 1
    assert "'uri;label'; columns are parted by commas" in message


@pytest.mark.parametrize("convert", [str, to_parquet])
def test_unknown_label_with_the_nearest_known_one(convert):
    ((line, message),) = faults(convert("uri,label\na.jpg,Clear\nb.jpg,Cristals\n"))
    assert line == (3 if convert is str else 2)
    assert message == "unknown label 'Cristals'; the nearest known one is 'Crystals'"


def test_an_unknown_label_is_reported_once_with_its_first_line():
    text = "uri,label\na.jpg,Nope\nb.jpg,Clear\nc.jpg,Nope\nd.jpg,Cristals\n"
    (nope_line, nope), (cristals_line, _) = faults(text)
    assert (nope_line, cristals_line) == (2, 5)
    assert nope.endswith("(2 lines in all)")


@pytest.mark.parametrize("cell", ["", " "])
def test_empty_cells_of_wanted_columns(cell):
    assert faults(f"uri,label,note\n{cell},Clear,x\na.jpg,{cell},x\n") == [
        (2, "column uri is empty"),
        (3, "column label is empty"),
    ]


@pytest.mark.parametrize("convert", [str, to_parquet])
def test_duplicate_ids(convert):
    text = "uri,label,image_id\na.jpg,Clear,x\nb.jpg,Other,y\nc.jpg,Clear,x\nd.jpg,Crystals,x\n"
    first = 2 if convert is str else 1
    assert faults(convert(text)) == [
        (first + 2, f"image 'x' stands on line {first} already"),
        (first + 3, f"image 'x' is labelled 'Crystals' here and 'Clear' on line {first}"),
    ]


def test_two_files_that_differ_in_their_extension_are_one_image():
    assert faults("uri,label\na.jpg,Clear\na.png,Clear\n") == [
        (3, "image 'a' stands on line 2 already")
    ]


def test_latin_1():
    rows = "uri,label\nTröpfchen.jpg,Clear\nok.jpg,Clear\nKälte.jpg,Nope\n".encode("latin-1")
    (first, message), (second, _), (third, unknown) = faults(rows)
    assert (first, second, third) == (2, 4, 4)
    assert "column uri is not UTF-8" in message
    assert "save the manifest as UTF-8" in message
    assert "unknown label 'Nope'" in unknown


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_header_in_another_encoding(encoding):
    ((line, message),) = faults("ürí,label\na.jpg,Clear\n".encode(encoding))
    assert line == 1
    assert "save it as UTF-8" in message


@pytest.mark.parametrize("column", [0, 1, 2, 3, 4, 5])
def test_nul_byte(column):
    cells = ["a.jpg", "Clear", "a", "a", "train", "ff"]
    cells[column] += "\0"
    name = ("uri", "label", "image_id", "group", "split", "checksum")[column]
    text = f"uri,label,image_id,group,split,checksum\n{','.join(cells)}\n"
    assert faults(text) == [(2, f"column {name} holds a NUL byte")]


@pytest.mark.parametrize(
    "long", ["x" * 1_000_000 + ",Clear", "a.jpg," + "x" * 100_000, "a.jpg," * 200_000]
)
def test_a_very_long_line_costs_that_line_alone(long):
    found = faults(f"uri,label\n{long}\nb.jpg,Nope\n")
    assert [line for line, _ in found] == [2, 3]


@pytest.mark.parametrize("line", ["a.jpg", "a.jpg,Clear,extra", "a.jpg,Clear,"])
def test_too_few_or_too_many_cells(line):
    cells = line.count(",") + 1
    assert faults(f"uri,label\n{line}\n") == [(2, f"{cells} cells, but the header has 2 columns")]


def test_a_quote_that_is_not_closed_is_reported_where_it_begins():
    ((line, message),) = faults('uri,label\na.jpg,Clear\n"b.jpg,Clear\nc.jpg,Clear\n')
    assert line == 3
    assert "a quoted cell begins here and never ends" in message


def test_a_quote_that_is_not_closed_in_a_large_file_is_told_from_a_long_cell():
    rows = "".join(f"{number}.jpg,Clear\n" for number in range(20_000))
    (line, message), *_ = faults('uri,label\n"' + rows)
    assert line == 2
    assert "perhaps its quote is not closed" in message


def test_a_stray_quote_costs_its_line_alone():
    (two, message), (four, _) = faults('uri,label\n"a"b.jpg,Clear\nc.jpg,Clear\nd.jpg,Nope\n')
    assert (two, four) == (2, 4)
    assert "no sound CSV" in message


def test_a_row_over_several_lines_is_reported_where_it_begins():
    text = 'uri,label\n"a\nb\r\nc.jpg",Clear\n"d\ne.jpg",Nope\nf.jpg,Nada\n'
    assert [line for line, _ in faults(text)] == [5, 7]
    rows = read(text.replace("Nope", "Clear").replace("Nada", "Clear"))
    assert [row.uri for row in rows] == ["a\nb\r\nc.jpg", "d\ne.jpg", "f.jpg"]


def test_unknown_split():
    assert faults("uri,label,split\na.jpg,Clear,dev\n") == [
        (2, "unknown split 'dev'; wanted train, validation, test or nothing")
    ]


@pytest.mark.parametrize("convert", [str, to_parquet])
def test_a_group_is_pinned_as_a_whole(convert):
    text = (
        "uri,label,group,split\n"
        "a.jpg,Clear,g,train\nb.jpg,Clear,g,test\nc.jpg,Clear,g,\nd.jpg,Clear,h,test\n"
    )
    first = 2 if convert is str else 1
    whole = f"on line {first}; a group is pinned as a whole"
    assert faults(convert(text)) == [
        (first + 1, f"group 'g' has split test here and train {whole}"),
        (first + 2, f"group 'g' has split none here and train {whole}"),
    ]


def test_spellings_of_a_split_do_not_conflict():
    rows = read("uri,label,group,split\na,Clear,g,val\nb,Clear,g,Validation\nc,Clear,g, valid\n")
    assert {row.split for row in rows} == {"validation"}


def test_all_faults_are_reported_together_in_the_order_of_their_lines():
    text = (
        "uri,label,image_id,group,split\n"
        "a.jpg,Nope,a,g,train\n"
        "b.jpg,Clear,a,g,test\n"  # the id of a line that has a fault of its own
        ",Clear,c,,\n"
        "d.jpg,Other\n"
        "e.jpg,,e,,dev\n"
        'f.jpg,"Cle"ar,,,\n'
        "g.jpg,Clear,g,k,train\n"
        "h.jpg,Clear,h,k,test\n"
    )
    found = faults(text)
    assert [line for line, _ in found] == [2, 3, 4, 5, 6, 6, 7, 9]
    for (_, message), part in zip(
        found,
        ("unknown label", "already", "uri is empty", "2 cells", "", "", "no sound CSV", "pinned"),
        strict=True,
    ):
        assert part in message


def test_a_label_of_one_line_has_no_say_in_whether_other_lines_conflict():
    text = "uri,label,group,split\na.jpg,Clear,g,dev\nb.jpg,Clear,g,test\nc.jpg,Clear,g,test\n"
    assert [line for line, _ in faults(text)] == [2]


def test_a_person_is_shown_twenty_faults_and_told_of_the_rest():
    lines = "".join(f"{number}.jpg,Nope{number}\n" for number in range(30))
    with pytest.raises(ManifestError) as caught:
        read("uri,label\n" + lines)
    assert len(caught.value.faults) == 30
    shown = str(caught.value).splitlines()
    assert len(shown) == 21
    assert shown[0].startswith("manifest plates.csv, line 2: unknown label 'Nope0'")
    assert all("the nearest known one is" in line for line in shown[:20])
    assert shown[20] == "... and 10 more faults"


def test_faults_are_sorted_by_line():
    error = ManifestError("m", [Fault(9, "b"), Fault(2, "a")])
    assert [fault.line for fault in error.faults] == [2, 9]


# Parquet


def parquet_of(columns) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def test_parquet_columns_of_other_types():
    content = parquet_of(
        {
            "uri": pa.array([b"a.jpg", b"b.jpg"]),  # as some writers leave text
            "label": pa.array(["Clear", "Other"]).dictionary_encode(),
            "image_id": pa.array([7, 8]),
            "pixels": pa.array([[1.5], None]),  # of no interest
        }
    )
    assert read(content) == [
        ManifestRow("7", "a.jpg", 0, "7"),
        ManifestRow("8", "b.jpg", 2, "8"),
    ]


def test_parquet_with_bytes_that_are_no_utf_8():
    offsets = pa.py_buffer((0).to_bytes(4, "little") + (2).to_bytes(4, "little"))
    bad = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(b"\xe4x")])
    ((line, message),) = faults(parquet_of({"uri": bad, "label": ["Clear"]}))
    assert line == 1
    assert "column uri is not UTF-8" in message


@pytest.mark.parametrize("unit", ["ms", "us"])
def test_parquet_values_that_python_has_not(unit):
    far = pa.array([2**62], pa.timestamp(unit))  # some hundred thousand years away
    ((_, message),) = faults(parquet_of({"uri": ["a.jpg"], "label": ["Clear"], "group": far}))
    assert "no sound Parquet file" in message


PARQUET = to_parquet(ALL_COLUMNS)


@given(st.integers(4, len(PARQUET)), st.binary(max_size=12))
@example(4, b"")
def test_a_broken_parquet_file_gives_rows_or_a_manifest_error(start, middle):
    broken = PARQUET[:start] + middle + PARQUET[start + len(middle) :]
    for content in (broken, PARQUET[:start]):
        assert outcome(content)


# Any input


@given(st.binary(max_size=300) | st.text(max_size=100).map(lambda text: text.encode("utf-16")))
def test_any_bytes_give_rows_or_a_manifest_error(content):
    for data in (content, b"uri,label\n" + content, b"uri,label,split\nx,Clear," + content):
        assert outcome(data)


cells = st.text(st.sampled_from('a",\n\r \0\\ä\udce4') | st.characters(), max_size=6)


@given(st.lists(st.lists(cells, max_size=5), max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_any_table_gives_rows_or_a_manifest_error(table, end):
    lines = [",".join(line) for line in [["uri", "label", "group"], *table]]
    assert outcome(end.join(lines).encode(errors="surrogatepass"))


written = st.builds(
    lambda uri, label, image_id, group: (uri, PAPER10.names[label], image_id, group),
    texts.filter(lambda text: text.strip() and "\0" not in text),
    st.integers(0, 9),
    texts.filter(lambda text: text and "\0" not in text),
    texts.filter(lambda text: "\0" not in text),
)


@given(st.lists(written, min_size=1, unique_by=lambda row: row[2]))
@example([("a\rb.jpg", "clear", "a", ""), ('"', "clear", "'", "\n"), ("\ufeff", "clear", ",", "")])
def test_what_is_written_is_read(rows):
    stream = io.StringIO(newline="")
    write_manifest(rows, stream)
    found = read_manifest(io.BytesIO(stream.getvalue().encode()), labels=PAPER10, name="plates.csv")
    assert found == [
        ManifestRow(image_id, uri, PAPER10.index(label), group or image_id)
        for uri, label, image_id, group in rows
    ]
