"""How much memory this process may still take."""

from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")


def available_memory(root: Path = _ROOT) -> int:
    """Returns the bytes that the machine and the process's control groups have left.

    Linux only: elsewhere 0, since nothing is known. A container's limit is that of a control
    group, and the machine around it may have far more.

    Args:
        root: where `/proc` and `/sys` lie.
    """
    try:
        lines = (root / "proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    machine = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return max(0, min([*machine, *_left_of_groups(root)], default=0))


def _left_of_groups(root: Path) -> Iterator[int]:
    """Gives what each control group with a limit has left (cgroups(7), versions 1 and 2)."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        names = ("memory.max", "memory.current", "inactive_file")
        tree = root / "sys/fs/cgroup"
        if "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            tree /= "memory"
        elif controllers:
            continue
        group = tree / path.lstrip("/")
        # a limit of any group above holds as well; inside a container the path may not exist
        for folder in (group, *group.parents):
            if not folder.is_relative_to(tree):
                break
            yield from _left_of_group(folder, names)


def _left_of_group(folder: Path, names: tuple[str, str, str]) -> Iterator[int]:
    most, used, reclaimable = names
    try:
        limit = (folder / most).read_text(encoding="ascii").strip()
        if limit == "max":
            return
        statistics = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
        cached = dict(line.split() for line in statistics).get(reclaimable, "0")
        now = (folder / used).read_text(encoding="ascii")
        yield int(limit) - int(now) + int(cached)
    except (OSError, ValueError):
        return
