"""How much memory is left, as files of the kernel say it; the files here are real ones, moved."""

from pathlib import Path

import psutil
import pytest

from trainer.input.memory import available_memory

MEMINFO = "MemTotal:       24000000 kB\nMemFree:  1000 kB\nMemAvailable:   20000000 kB\n"
MACHINE = 20_000_000 * 1024
GB = 10**9


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in {"proc/meminfo": MEMINFO, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="ascii")
    return root


def group(folder: str, limit: object, used: int, cached: int) -> dict[str, str]:
    """Returns the files of a control group of version 2."""
    return {
        f"{folder}/memory.max": f"{limit}\n",
        f"{folder}/memory.current": f"{used}\n",
        f"{folder}/memory.stat": f"anon 5\nfile 7\ninactive_file {cached}\n",
    }


def test_this_machine_has_about_what_psutil_says():
    # within this container's limits, if it has any
    assert 0 < available_memory() <= 1.05 * psutil.virtual_memory().available


def test_a_machine_without_groups_has_what_the_kernel_says(tmp_path):
    assert available_memory(write(tmp_path, {})) == MACHINE


def test_a_group_without_a_limit_takes_nothing_away(tmp_path):
    files = {"proc/self/cgroup": "0::/job\n", **group("sys/fs/cgroup/job", "max", GB, 0)}
    assert available_memory(write(tmp_path, files)) == MACHINE


def test_a_limit_counts_and_what_the_kernel_would_give_back(tmp_path):
    files = {"proc/self/cgroup": "0::/job\n", **group("sys/fs/cgroup/job", 8 * GB, 3 * GB, GB)}
    assert available_memory(write(tmp_path, files)) == 6 * GB


def test_a_limit_of_a_group_above_counts(tmp_path):
    files = {
        "proc/self/cgroup": "0::/slice/job\n",
        **group("sys/fs/cgroup/slice/job", 8 * GB, 0, 0),
        **group("sys/fs/cgroup/slice", 5 * GB, GB, 0),
    }
    assert available_memory(write(tmp_path, files)) == 4 * GB


def test_a_container_that_sees_its_group_as_the_root(tmp_path):
    files = {"proc/self/cgroup": "0::/../../job\n", **group("sys/fs/cgroup", 2 * GB, GB, 0)}
    assert available_memory(write(tmp_path, files)) == GB


def test_groups_of_version_1(tmp_path):
    folder = "sys/fs/cgroup/memory/docker/1"
    files = {
        "proc/self/cgroup": "5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n",
        f"{folder}/memory.limit_in_bytes": f"{4 * GB}\n",
        f"{folder}/memory.usage_in_bytes": f"{3 * GB}\n",
        f"{folder}/memory.stat": f"cache 1\ntotal_inactive_file {GB}\n",
    }
    assert available_memory(write(tmp_path, files)) == 2 * GB


def test_a_group_that_is_over_its_limit_has_nothing(tmp_path):
    files = {"proc/self/cgroup": "0::/\n", **group("sys/fs/cgroup", GB, 2 * GB, 0)}
    assert available_memory(write(tmp_path, files)) == 0


@pytest.mark.parametrize("missing", ["memory.current", "memory.stat"])
def test_half_a_group_says_nothing(tmp_path, missing):
    files = {"proc/self/cgroup": "0::/\n", **group("sys/fs/cgroup", GB, 0, 0)}
    del files[f"sys/fs/cgroup/{missing}"]
    assert available_memory(write(tmp_path, files)) == MACHINE


def test_elsewhere_nothing_is_known(tmp_path):
    assert available_memory(tmp_path) == 0
