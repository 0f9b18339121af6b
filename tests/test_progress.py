"""Progress: a bar on a terminal, a line every 30 s in a log, nothing else on either."""

import contextlib
import io
import os
import pty
import re
import subprocess
import termios
import threading
import time

import pytest

from pipeline import progress
from tests.builds import build_arguments, command, environment, run

pytestmark = pytest.mark.timeout(120)


@contextlib.contextmanager
def terminal():
    """Gives (descriptor to read from, descriptor of the terminal's other side)."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 120))
    try:
        yield ours, theirs
    finally:
        os.close(ours)
        with contextlib.suppress(OSError):
            os.close(theirs)


def read_all(descriptor) -> str:
    """Returns what was written to a terminal whose other side is closed."""
    parts = []
    with contextlib.suppress(OSError):  # how a terminal says that it is closed
        while part := os.read(descriptor, 4096):
            parts.append(part)
    return b"".join(parts).decode()


def test_a_build_on_a_terminal_shows_a_bar(plates, tmp_path):
    arguments = build_arguments(plates, tmp_path / "drops")
    with terminal() as (ours, theirs):
        build = subprocess.Popen(
            command(*arguments), stdout=subprocess.PIPE, stderr=theirs, env=environment()
        )
        os.close(theirs)
        shown = read_all(ours)
        build.communicate()
    assert build.returncode == 0
    assert re.search(r"100%.*34/34 .*images.*records/s, 0 rejects", shown)


def test_a_short_build_in_a_log_shows_no_progress(plates, tmp_path):
    done = run(*build_arguments(plates, tmp_path / "drops"))
    assert done.returncode == 0
    assert done.stderr == ""
    assert "\r" not in done.stdout


def test_the_bar_counts_images_and_rejects():
    with terminal() as (ours, theirs):
        with os.fdopen(theirs, "w") as stream, progress.shown(8, stream=stream):
            progress.TALLY.add(images=5, rendered=50, opened=5, rejects=2)
        shown = read_all(ours)
    last = shown.rstrip().rpartition("\r")[2]
    assert "5/8" in last
    assert "2 rejects" in last


def test_the_bar_ends_when_the_work_fails():
    threads = threading.active_count()
    with (
        terminal() as (_, theirs),
        os.fdopen(theirs, "w") as stream,
        pytest.raises(ZeroDivisionError),
        progress.shown(8, stream=stream),
    ):
        progress.TALLY.add(images=1 // 0)
    assert threading.active_count() == threads


@pytest.mark.slow
def test_a_log_gets_a_line_after_30_seconds():
    log = io.StringIO()
    with progress.shown(1000, stream=log):
        progress.TALLY.add(images=200, rendered=450, opened=150, rejects=3)
        time.sleep(31)
    (line,) = log.getvalue().splitlines()
    for part in ("200 of 1,000 images", "/s", "3 rejects", "2 min", "left"):
        assert part in line


def test_counts_from_many_threads_are_all_counted():
    tally = progress.Tally()
    threads = [
        threading.Thread(target=lambda: [tally.add(images=1, rejects=1) for _ in range(2000)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tally.read() == progress.Counts(images=8000, rejects=8000)
