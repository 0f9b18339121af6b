"""What a command costs: CPU time and memory of its whole tree of processes. Linux only."""

import ctypes
import dataclasses
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil  # type: ignore[import-untyped]

SAMPLING = 0.1  # seconds between samples of memory
_SET_CHILD_SUBREAPER = 36  # prctl(2)
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass(frozen=True)
class Usage:
    """What one run of a command used.

    Attributes:
        cpu: user and system seconds of all processes, also of those that outlive the
            command's own process for a moment.
        own_cpu: those of the command's own process, all threads.
        wall: seconds from its start to its end.
        largest: largest resident set of any one process, in bytes.
        peak: largest sum of proportional set sizes (PSS) over all processes, in bytes,
            sampled; 0 where that was not asked for.
    """

    cpu: float
    own_cpu: float
    wall: float
    largest: int
    peak: int = 0


class CommandFailed(RuntimeError):
    """A measured command that ended with an error; the message has its output."""


def run(command: Sequence[str], *, log: Path, sample_memory: bool = False) -> Usage:
    """Runs a command and returns what it used.

    Nothing else that this process started may be running.

    Args:
        command: program and arguments.
        log: file for its output.
        sample_memory: whether to sample the memory; costs some CPU time, not counted.

    Raises:
        CommandFailed: if its exit code is not 0.
    """
    _adopt_orphans()
    with log.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        sampler = _Sampler(process.pid) if sample_memory else None
        cpu = own = wall = 0.0
        largest = 0
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            except ChildProcessError:
                break
            assert ended is not None
            if ended.si_pid == process.pid:
                wall = time.perf_counter() - began
                own = _own_cpu(process.pid)
            _, status, used = os.wait4(ended.si_pid, 0)
            if ended.si_pid == process.pid:
                process.returncode = os.waitstatus_to_exitcode(status)
            cpu += used.ru_utime + used.ru_stime
            largest = max(largest, used.ru_maxrss * 1024)
    peak = sampler.stop() if sampler else 0
    if process.returncode:
        text = log.read_text(encoding="utf-8", errors="replace")[-3000:]
        raise CommandFailed(f"exit code {process.returncode}: {' '.join(command)}\n{text}")
    return Usage(cpu, own, wall, largest, peak)


def _adopt_orphans() -> None:
    """Makes orphans below this process its children, so that their CPU time is not lost."""
    if not sys.platform.startswith("linux"):
        raise RuntimeError("benchmarks run on Linux only")
    if ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def _own_cpu(pid: int) -> float:
    """Returns the CPU seconds of a process that has ended and is not yet waited for."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
    user, system = after_name.split()[11:13]  # fields 14 and 15 of proc(5)
    return (int(user) + int(system)) / _TICKS


class _Sampler:
    """Samples the memory of a tree of processes in a thread."""

    def __init__(self, pid: int):
        self._root = psutil.Process(pid)
        self._peak = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """Ends the sampling and returns the largest sum, in bytes."""
        self._stopped.set()
        self._thread.join()
        return self._peak

    def _sample(self) -> None:
        while not self._stopped.wait(SAMPLING):
            try:
                tree = [self._root, *self._root.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            self._peak = max(self._peak, sum(map(_pss, tree)))


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0  # it has just ended
