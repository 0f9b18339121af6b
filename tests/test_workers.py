"""Worker processes that crash, hang or are killed: one image pays at most, and work goes on."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path

import psutil
import pytest

from pipeline.pool import Reject
from pipeline.processes import CallTimeout, ProcessDied, Processes
from pipeline.tasks import RenderTask, VariantConfig
from pipeline.workers import RenderWorkers
from schemas.recipe import Recipe
from schemas.shards import PlannedImage
from tests.builds import ROOT, assert_gone, environment, wait_until
from tests.plates import draw_plate

CONFIG = VariantConfig.of(Recipe())

pytestmark = pytest.mark.timeout(120)  # of these faults, some once made the job wait for ever


@pytest.fixture
def tasks(tmp_path):
    """Twenty sound images, two variants of each."""
    for number in range(20):
        draw_plate(tmp_path / f"{number}.jpg", number)
    return [task(tmp_path / f"{number}.jpg") for number in range(20)]


def task(path: Path, copies: int = 2) -> RenderTask:
    return RenderTask(PlannedImage(path.name, "group", 0, copies, "fingerprint", str(path)))


def make_fifo(path: Path) -> Path:
    """Makes a file whose reader waits until there is a writer: there is none."""
    os.mkfifo(path)
    return path


def readers_of(path: Path) -> list[psutil.Process]:
    """Returns the children of this process that have a file open, or wait to open it."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(OSError):
            # a process that waits in open() has no descriptor yet; its threads say so
            for thread in Path(f"/proc/{process.pid}/task").iterdir():
                if "wait_for_partner" in (thread / "wchan").read_text():
                    found.append(process)
    return found


def outcomes(workers, tasks):
    """Returns (ids of images with records, rejects by id)."""
    rendered, rejects = set(), {}
    for outcome in workers.render(tasks, CONFIG):
        if isinstance(outcome, Reject):
            rejects[outcome.image_id] = outcome
        else:
            rendered.add(outcome.image_id)
    return rendered, rejects


def names(tasks):
    return {task.image.image_id for task in tasks}


def test_every_image_comes_out_once(tasks):
    with RenderWorkers(2) as workers:
        found = [outcome.image_id for outcome in workers.render(tasks, CONFIG)]
    assert sorted(found) == sorted(names(tasks))


def test_an_image_that_hangs_is_a_reject_and_costs_no_other(tasks, tmp_path):
    fifo = task(make_fifo(tmp_path / "hangs.jpg"))
    with RenderWorkers(1, image_timeout=0.25) as workers:
        rendered, rejects = outcomes(workers, [*tasks[:3], fifo, *tasks[3:]])
        assert rendered == names(tasks)
        assert rejects.keys() == {"hangs.jpg"}
        assert rejects["hangs.jpg"].reason == "timeout"
        assert outcomes(workers, tasks) == (names(tasks), {})


class Killer(threading.Thread):
    """Sends a signal to every process that opens a file, as a decoder that crashes on it."""

    def __init__(self, fifo: Path, number: int, times: int):
        super().__init__(daemon=True)
        self._fifo, self._number, self._times = fifo, number, times
        self.victims: list[psutil.Process] = []

    def run(self):
        while len(self.victims) < self._times:
            for process in readers_of(self._fifo):
                if process not in self.victims:
                    process.send_signal(self._number)
                    self.victims.append(process)
            time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_an_image_that_crashes_its_decoder_is_a_reject_and_costs_no_other(tasks, tmp_path, number):
    fifo = make_fifo(tmp_path / "crashes.jpg")
    killer = Killer(fifo, number, times=2)  # with its chunk, then alone
    killer.start()
    with RenderWorkers(2) as workers:
        rendered, rejects = outcomes(workers, [*tasks[:3], task(fifo), *tasks[3:]])
        assert rendered == names(tasks)
        assert rejects.keys() == {"crashes.jpg"}
        assert rejects["crashes.jpg"].reason == "crash"
        assert str(-number) in rejects["crashes.jpg"].message
        assert outcomes(workers, tasks) == (names(tasks), {})
    assert_gone(killer.victims)


def test_a_worker_killed_once_costs_no_image(tasks, tmp_path):
    # what kills a worker for want of memory does not ask what it is working on
    fifo = make_fifo(tmp_path / "slow.jpg")
    plate = (tmp_path / "0.jpg").read_bytes()
    killer = Killer(fifo, signal.SIGKILL, times=1)
    killer.start()

    def feed():
        killer.join()
        with fifo.open("wb") as writer:  # to the one that tries again
            writer.write(plate)

    threading.Thread(target=feed, daemon=True).start()
    with RenderWorkers(2) as workers:
        rendered, rejects = outcomes(workers, [*tasks, task(fifo)])
    assert len(killer.victims) == 1
    assert rejects == {}
    assert rendered == {*names(tasks), "slow.jpg"}


def test_no_process_is_left_behind(tasks):
    before = set(psutil.Process().children(recursive=True))
    with RenderWorkers(2) as workers:
        outcomes(workers, tasks)
        started = set(psutil.Process().children(recursive=True)) - before
        # what stays is the process that starts others, for the next set of workers
        started = {process for process in started if process.ppid() != os.getpid()}
        assert len(started) == 2
    assert_gone(list(started))


def test_workers_that_nobody_holds_any_more_end(tasks):
    before = set(psutil.Process().children(recursive=True))
    workers = RenderWorkers(1)
    outcomes(workers, tasks)
    started = set(psutil.Process().children(recursive=True)) - before
    mine = [process for process in started if process.ppid() != os.getpid()]
    assert len(mine) == 1
    del workers
    assert_gone(mine)


def test_rendering_that_is_broken_off_leaves_the_workers_fit(tasks):
    with RenderWorkers(2) as workers:
        for _ in workers.render(tasks, CONFIG):
            break
        assert outcomes(workers, tasks) == (names(tasks), {})


def test_threads_share_the_workers(tasks):
    found = {}
    with RenderWorkers(2) as workers:
        threads = [
            threading.Thread(target=lambda n=n: found.update({n: outcomes(workers, tasks)}))
            for n in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {n: (names(tasks), {}) for n in range(3)}


def test_a_fault_of_the_machine_is_raised_not_taken_for_a_reject(tasks):
    with RenderWorkers(2) as workers:
        with pytest.raises(OSError, match="Input/output error"):
            outcomes(workers, [*tasks, task(Path("/proc/self/mem"))])
        assert outcomes(workers, tasks) == (names(tasks), {})


# Functions that the processes below are asked to call.


def large_answer_then_killed(seconds: float) -> bytes:
    signal.setitimer(signal.ITIMER_REAL, seconds)  # SIGALRM ends a process that ignores it not
    return bytes(100_000_000)


def raise_value_error():
    raise ValueError("as it was raised")


def return_what_cannot_be_sent():
    return threading.Lock()


def end_with(code: int):
    os._exit(code)


def test_a_process_killed_while_it_answers_makes_nobody_wait():
    processes = Processes(1, preload=[])
    died = 0
    for seconds in (0.01, 0.02, 0.03, 0.05, 0.08, 0.12):
        error = processes.call(large_answer_then_killed, seconds, timeout=60).exception()
        if error:  # else it was sent before the time was up
            assert isinstance(error, ProcessDied)
            assert error.exit_code == -signal.SIGALRM
            died += 1
    assert died
    assert processes.call(os.getpid, timeout=60).result() != os.getpid()
    processes.stop()


def test_errors_of_a_call_come_back():
    processes = Processes(1, preload=[])
    with pytest.raises(ValueError, match="as it was raised") as raised:
        processes.call(raise_value_error, timeout=60).result()
    assert "raise_value_error" in "".join(raised.value.__notes__)
    with pytest.raises(RuntimeError, match="cannot be sent"):
        processes.call(return_what_cannot_be_sent, timeout=60).result()
    with pytest.raises(ProcessDied) as death:
        processes.call(end_with, 7, timeout=60).result()
    assert death.value.exit_code == 7
    with pytest.raises(CallTimeout):
        processes.call(time.sleep, 60, timeout=0.1).result()
    assert processes.call(abs, -3, timeout=60).result() == 3
    processes.stop()


def test_stopping_ends_calls_under_way_and_those_that_wait():
    processes = Processes(1, preload=[])
    under_way = processes.call(time.sleep, 60, timeout=60)
    waiting = processes.call(abs, -3, timeout=60)
    wait_until(under_way.running, what="the call")
    processes.stop()
    for future in (under_way, waiting):
        with pytest.raises(CancelledError):
            future.result(timeout=10)
    with pytest.raises(RuntimeError, match="stopped"):
        processes.call(abs, -3, timeout=60)


def test_processes_that_cannot_start_are_an_error_and_not_a_crash_of_every_image(tmp_path):
    # each process imports the program that started it; one read from a pipe has no file
    draw_plate(tmp_path / "0.jpg", 0)
    program = f"""
from pathlib import Path
from pipeline.errors import BuildError
from tests.test_workers import CONFIG, RenderWorkers, task
try:
    print(list(RenderWorkers(1).render([task(Path({str(tmp_path / "0.jpg")!r}))], CONFIG)))
except BuildError as error:
    print("error:", error)
"""
    done = subprocess.run(
        [sys.executable, "-"],
        input=program,
        capture_output=True,
        text=True,
        env=environment(),
        cwd=ROOT,
        timeout=100,
        check=False,
    )
    assert done.stdout.startswith("error: a worker process cannot start"), done.stderr
