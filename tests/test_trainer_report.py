"""The report of runs: its numbers, whose they are, on which data, and what it refuses."""

import csv
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.labels import MARCO4, LabelSet
from tests.trainer_report_facts import MARCO_IMAGES, Simulated, make_eight, make_run
from trainer.cli import main
from trainer.errors import UsageError
from trainer.networks import NETWORKS
from trainer.report import paper, read_run, write_report
from trainer.report.checks import data_section
from trainer.report.comparison import compare

REAL = {"robot": 810}  # images that nobody says are drawn
SMALL = Simulated(images=(3, 9, 6, 3, 6, 3, 3, 3, 6, 3), epochs=3)


@pytest.fixture(scope="module")
def eight(tmp_path_factory) -> list[Path]:
    return make_eight(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def report(eight, tmp_path_factory) -> Path:
    """The report of the eight networks on drawn plates; not to be changed."""
    out = tmp_path_factory.mktemp("report") / "R"
    write_report([read_run(run) for run in eight], out)
    return out


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def report_on(*runs: Path, out: Path) -> Path:
    write_report([read_run(run) for run in runs], out)
    return out


def evaluation_of(run: Path) -> dict:
    return json.loads((run / "evaluation.json").read_text())


def change_evaluation(run: Path, **fields) -> None:
    (run / "evaluation.json").write_text(json.dumps({**evaluation_of(run), **fields}))


def said(*runs: Path) -> str:
    """Returns what a report says of runs before its numbers."""
    checks = data_section(compare([read_run(run) for run in runs])).blocks[0]
    return " ".join(check.text for check in checks.items)


# The paper's numbers: what it says in several places must agree.


def test_the_papers_table_1_is_the_mean_of_its_table_2():
    assert set(paper.TABLE_1) == set(paper.TABLE_2) == set(paper.TABLE_2_AVERAGE) == set(NETWORKS)
    for name, shares in paper.TABLE_2.items():
        mean = sum(shares) / 10
        assert mean == pytest.approx(paper.TABLE_2_AVERAGE[name], abs=0.0011)  # it rounded twice
        assert paper.TABLE_1[name][1] == pytest.approx(mean, abs=1 / 300)


def test_the_papers_table_2_has_the_averages_that_it_prints():
    printed = (96.9, 95.5, 90.5, 84.5, 78.4, 67.3, 57.3, 73.6, 81.1, 62.8)  # its last column
    for label, average in enumerate(printed):
        mean = sum(shares[label] for shares in paper.TABLE_2.values()) / 8
        assert 100 * mean == pytest.approx(average, abs=0.06)


def test_the_papers_text_agrees_with_its_tables():
    table = paper.TABLE_1
    assert table["resnet56"] == (0.8143, 0.814, 0.9594, 0.9885)
    assert table["lcn"][1] - table["crystalnet"][1] == pytest.approx(0.0448)
    assert table["lcn"][1] - table["alexnet"][1] == pytest.approx(0.0277)
    assert table["resnet56"][1] - table["resnet32"][1] == pytest.approx(0.0042)
    assert table["vgg16"][1] - table["vgg19"][1] == pytest.approx(0.0069)
    assert set(paper.TABLE_3) == {"resnet56", "resnet32", "inception_v3"}
    assert "38.9 %" in " ".join(paper.REMARKS)
    assert 1 - paper.TABLE_2["resnet56"][6] == pytest.approx(0.389)


# Numbers of the runs.


def test_table_1_has_the_evaluations_numbers_beside_the_papers(report, eight):
    rows = rows_of(report / "table1.csv")
    assert [row["network"] for row in rows] == [NETWORKS[run.name].title for run in eight]
    for row, run in zip(rows, eight, strict=True):
        splits = evaluation_of(run)["splits"]
        test = splits["test"]["views"]["balanced"]["top"]
        for n, interval in enumerate(test, start=1):
            for key, suffix in (("value", ""), ("low", "_low"), ("high", "_high")):
                assert float(row[f"test_top{n}{suffix}"]) == pytest.approx(interval[key], abs=1e-5)
        kept = splits["validation"]["views"]["balanced"]["top"][0]["value"]
        assert float(row["validation"]) == pytest.approx(kept, abs=1e-5)
        printed = [row["paper_validation"], *(row[f"paper_test_top{n}"] for n in (1, 2, 3))]
        assert tuple(map(float, printed)) == paper.TABLE_1[run.name]


@pytest.mark.parametrize(
    ("file", "field", "of_paper"),
    [("table2", "per_label", paper.TABLE_2), ("table3", "auc", paper.TABLE_3)],
)
def test_tables_2_and_3_have_each_label(report, eight, file, field, of_paper):
    rows = rows_of(report / f"{file}.csv")[:10]
    for run in eight:
        facts = evaluation_of(run)
        own = facts["splits"]["test"]["views"]["balanced"][field]
        assert [row["label"] for row in rows] == facts["labels"]
        assert [float(row[run.name]) for row in rows] == pytest.approx(
            [interval["value"] for interval in own], abs=1e-5
        )
        if run.name in of_paper:
            printed = tuple(float(row[f"paper_{run.name}"]) for row in rows)
            assert printed == of_paper[run.name]
        else:
            assert f"paper_{run.name}" not in rows[0]


def test_figure_3_has_true_labels_as_columns(report, eight):
    facts = evaluation_of(eight[-1])
    rows = rows_of(report / "figure3-resnet56.csv")
    confusion = facts["splits"]["test"]["views"]["balanced"]["confusion"]
    assert [row["given"] for row in rows] == facts["labels"]
    for number, label in enumerate(facts["labels"]):
        column = [float(row[label]) for row in rows]
        assert sum(column) == pytest.approx(100, abs=0.01)
        assert column == pytest.approx([row[number] for row in confusion], abs=1e-3)


def test_missed_crystals_stand_beside_false_alarms_and_random_ranking(report):
    for view in ("balanced", "natural"):
        *runs, random = rows_of(report / f"missed-{view}.csv")
        assert len(runs) == 8
        shares = [float(random[f"top{n}_{what}"]) for n in (1, 2, 3) for what in _BOTH]
        # five of ten labels: C(5, n) / C(10, n) of crystals missed, the rest of others flagged
        assert shares == pytest.approx([1 / 2, 1 / 2, 2 / 9, 7 / 9, 1 / 12, 11 / 12], abs=1e-5)
        assert all(row[f"top{n}_false_alarms"] for row in runs for n in (1, 2, 3))


_BOTH = ("missed", "false_alarms")


def test_workload_is_of_the_three_recalls(report, eight):
    row = rows_of(report / "workload.csv")[-1]
    work = evaluation_of(eight[-1])["splits"]["test"]["crystal"]["natural"]["workload"]
    for entry in work:
        images = float(row[f"images_at_{entry['recall']:g}"])
        assert images == pytest.approx(entry["images_per_1000"]["value"], rel=1e-4)


def test_headlines_are_of_the_run_that_validation_chose(report, eight):
    validated = {
        run.name: evaluation_of(run)["splits"]["validation"]["views"]["balanced"]["top"][0]["value"]
        for run in eight
    }
    best = NETWORKS[max(validated, key=validated.get)].title
    text = (report / "report.md").read_text(encoding="utf-8")
    assert f"{best}, the best on the validation split, on drawn plates:" in text


def test_markdown_has_the_same_tables(report):
    text = (report / "report.md").read_text(encoding="utf-8")
    for row in rows_of(report / "table1.csv"):
        assert f"{100 * float(row['test_top1']):.1f}" in text
    assert "| needles \\& plates |" in text
    assert "a network that never names a rare label cannot hide in it." in text  # nothing is cut
    heads = [line for line in text.splitlines() if line.startswith(("| Network", "| Label"))]
    assert all(len(set(head.split(" | "))) == len(head.split(" | ")) for head in heads)
    for line in text.splitlines():
        if line.startswith("!["):
            assert (report / line.rpartition("(")[2].rstrip(")")).is_file()


# Which data.


def test_drawn_plates_are_named_wherever_a_number_stands(report):
    text = (report / "report.md").read_text(encoding="utf-8")
    assert "> **Drawn plates.**" in text
    of_data, _, _ = text.partition("## What made the runs")
    captions = [line for line in of_data.splitlines() if line.startswith(("![", "**"))]
    assert len(captions) > 25
    neither = ("**Data of each run**", "**Training of the runs**")
    for caption in captions:
        assert "drawn plates" in caption or paper.APART in caption or caption in neither
    for figure in (report / "figures").iterdir():
        assert "drawn plates: no result on crystals" in figure.read_text(encoding="utf-8")
    for file in report.glob("*.csv"):
        assert {row["plates"] for row in rows_of(file)} == {"drawn"}


def test_other_plates_are_not_called_drawn(tmp_path):
    run = make_run(tmp_path / "run", dataclasses.replace(SMALL, origins=REAL))
    out = report_on(run, out=tmp_path / "R")
    for file in ("report.html", "report.md"):
        assert "drawn plates" not in (out / file).read_text(encoding="utf-8").casefold()
    assert {row["plates"] for row in rows_of(out / "table1.csv")} == {"not drawn"}


def test_runs_on_different_data_are_marked(tmp_path):
    first = make_run(tmp_path / "a", SMALL)
    second = make_run(tmp_path / "b", dataclasses.replace(SMALL, data=("drops", "2.0.0")))
    assert "different data, drops 1.0.0 and drops 2.0.0" in said(first, second)
    out = report_on(first, second, out=tmp_path / "R")
    assert [row["remarks"] for row in rows_of(out / "table1.csv")] == [
        "not finished; data A",
        "not finished; data B",
    ]


def test_a_run_evaluated_on_another_version_says_so(tmp_path):
    run = make_run(tmp_path / "run", dataclasses.replace(SMALL, trained_on="0.9.0"))
    assert "Trained on one version and evaluated on another: ResNet-56" in said(run)


def test_a_guess_is_called_one(tmp_path):
    run = make_run(tmp_path / "run", dataclasses.replace(SMALL, skill=0.0))
    assert "Not clearly better than a guess: ResNet-56" in said(run)


def test_unbalanced_records_are_called_so(tmp_path):
    run = make_run(tmp_path / "run", SMALL)
    facts = evaluation_of(run)
    for row in facts["splits"]["test"]["views"]["balanced"]["confusion_counts"]:
        row[0] *= 3
    change_evaluation(run, splits=facts["splits"])
    assert "not balanced" in said(run)


def test_reconstructions_and_narrow_networks_are_marked(tmp_path):
    run = make_run(tmp_path / "run", dataclasses.replace(SMALL, arch="lcn", width=0.25))
    row = rows_of(report_on(run, out=tmp_path / "R") / "table1.csv")[0]
    assert row["remarks"] == "reconstruction; width 0.25; not finished"


# Which runs.


def test_several_runs_of_a_network_have_names_of_their_own(tmp_path):
    folders = [tmp_path / name for name in ("a/resnet56", "b/resnet56", "other")]
    runs = [make_run(folder, SMALL) for folder in folders]
    comparison = compare([read_run(run) for run in runs])
    assert [run.name for run in comparison.runs] == [
        "ResNet-56 · a/resnet56",
        "ResNet-56 · b/resnet56",
        "ResNet-56 · other",
    ]
    out = report_on(*runs, out=tmp_path / "R")
    names = sorted(path.name for path in out.glob("figure3-*"))
    assert names == ["figure3-resnet56-2.csv", "figure3-resnet56-3.csv", "figure3-resnet56.csv"]
    assert "paper_resnet56" in rows_of(out / "table2.csv")[0]


def test_order_is_that_of_the_papers_table_1(eight):
    facts = [read_run(run) for run in reversed(eight)]
    assert [run.evaluation.arch for run in compare(facts).runs] == list(NETWORKS)


def test_other_labels_stand_in_tables_of_their_own_without_the_paper(tmp_path):
    ten = make_run(tmp_path / "ten", SMALL)
    four = make_run(
        tmp_path / "four", dataclasses.replace(SMALL, labels=MARCO4, images=MARCO_IMAGES)
    )
    out = report_on(ten, four, out=tmp_path / "R")
    assert len(rows_of(out / "table2.csv")) == 11
    other = rows_of(out / "table2-2.csv")
    assert [row["label"] for row in other] == [*MARCO4.names, "Mean over labels"]
    assert not any(key.startswith("paper") for key in other[0])
    assert [row["paper_test_top1"] for row in rows_of(out / "table1.csv")] == ["0.814", ""]


def test_a_label_without_images_is_a_dash(tmp_path):
    images = (3, 9, 6, 0, 6, 3, 3, 3, 6, 3)
    run = make_run(tmp_path / "run", dataclasses.replace(SMALL, images=images))
    out = report_on(run, out=tmp_path / "R")
    assert rows_of(out / "table2.csv")[3]["resnet56"] == ""
    assert "large crystals (0)" in (out / "report.html").read_text(encoding="utf-8")


def test_labels_without_crystals_have_nothing_to_rank(tmp_path):
    labels = LabelSet("two", ("wet", "dry"), frozenset())
    run = make_run(tmp_path / "run", dataclasses.replace(SMALL, labels=labels, images=(9, 6)))
    text = (report_on(run, out=tmp_path / "R") / "report.md").read_text(encoding="utf-8")
    assert "there is nothing to rank" in text


# Files.


def test_equal_runs_give_equal_bytes_in_another_process(report, eight, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "trainer", "report", *map(str, eight), "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "report of 8 runs" in done.stdout
    files = {path.relative_to(report): path.read_bytes() for path in report.rglob("*.*")}
    assert {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.*")} == (
        files
    )


def test_an_earlier_report_is_replaced_and_other_files_stay(eight, tmp_path):
    report_on(*eight[-2:], out=tmp_path)
    (tmp_path / "notes.csv").write_text("mine")
    (tmp_path / "figures" / "mine.svg").write_text("mine")
    report_on(eight[-1], out=tmp_path)
    assert [path.name for path in tmp_path.glob("figure3-*")] == ["figure3-resnet56.csv"]
    assert [path.name for path in (tmp_path / "figures").glob("figure3*")] == [
        "figure3-resnet56.svg"
    ]
    for name in ("notes.csv", "figures/mine.svg"):
        assert (tmp_path / name).read_text() == "mine"


def test_neither_tensorflow_nor_keras_is_loaded():
    code = (
        "import sys, trainer.commands.report as command\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import trainer.report\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "matplotlib" in loaded
    assert not loaded & {"tensorflow", "keras", "sklearn", "pipeline"}


# What it refuses.


def test_a_run_without_evaluation_is_told_how(tmp_path, capsys):
    run = make_run(tmp_path / "run", SMALL)
    (run / "evaluation.json").unlink()
    assert main(["report", str(run), "--out", str(tmp_path / "R")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: wanted an evaluated run")
    assert f"python -m trainer evaluate {run}" in error
    assert not (tmp_path / "R").exists()


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(UsageError, match=r"config\.json"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"format": 99}, "format 99"),
        ({"splits": {}}, "no numbers of the test split"),
        ({"labels": ["a", "b"]}, "not of the 2 labels"),
        ({"width": float("nan")}, "wanted a number"),
        ({"training_seconds": "long"}, "wanted a number"),
        ({"best_epoch": None}, "int"),
    ],
)
def test_an_evaluation_of_another_kind(tmp_path, fields, reason):
    run = make_run(tmp_path / "run", SMALL)
    change_evaluation(run, **fields)
    with pytest.raises(UsageError, match=r"python -m trainer evaluate") as raised:
        read_run(run)
    assert reason in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_damaged_evaluation(tmp_path):
    run = make_run(tmp_path / "run", SMALL)
    (run / "evaluation.json").write_text('{"format": 1')
    with pytest.raises(UsageError, match="not as this release writes it"):
        read_run(run)


def test_a_share_that_is_none(tmp_path):
    run = make_run(tmp_path / "run", SMALL)
    splits = evaluation_of(run)["splits"]
    splits["test"]["views"]["balanced"]["top"][0]["value"] = 1.5
    change_evaluation(run, splits=splits)
    with pytest.raises(UsageError, match=r"share from 0 to 1, got 1\.5"):
        read_run(run)


def test_the_same_run_twice_and_no_folder_to_write_to(eight, tmp_path, capsys):
    again = [str(eight[0]), str(eight[0])]
    assert main(["report", *again, "--out", str(tmp_path / "R")]) == 2
    assert "give it once" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["report", str(eight[0]), "--out", str(tmp_path / "file")]) == 2
