"""Worker processes that render images, for any number of shards at a time.

Processes rather than threads: serialising and drawing hold Python's lock, and a decoder
that crashes or hangs on one image must cost that image alone (docs/benchmarks.md has the
shares). Each process has threads that read ahead, which hides the latency of a source.
"""

import concurrent.futures
import contextlib
import dataclasses
import itertools
import multiprocessing
import os
import select
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence

import pebble

from pipeline.decode import UnreadableImage
from pipeline.pool import Reject
from pipeline.variants import (
    ImageRecords,
    RenderTask,
    VariantConfig,
    make_records,
    read_source,
)

_CHUNK_IMAGES = 8  # few enough that the last chunks of a shard spread over the workers
_CHUNK_RECORDS = 48  # bounds what one chunk sends back: 0.8 MB
_CHUNKS_AHEAD = 2  # waiting for each worker, so that none runs dry

Outcome = ImageRecords | Reject


class RenderWorkers:
    """A set of worker processes. Use it as a context, from any number of threads.

    Args:
        processes: how many; default one for each core this process may use.
        image_timeout: seconds that one image may take before it becomes a reject.
    """

    def __init__(self, processes: int | None = None, *, image_timeout: float = 60.0):
        self.processes = processes or len(os.sched_getaffinity(0))
        self._timeout = image_timeout
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["pipeline.variants"])
        self._pool = pebble.ProcessPool(
            max_workers=self.processes,
            context=context,
            initializer=_start_worker,
            initargs=(os.getpid(),),
        )

    def __enter__(self) -> "RenderWorkers":
        return self

    def __exit__(self, *exception: object) -> None:
        self._pool.stop()
        self._pool.join()

    def render(self, tasks: Iterable[RenderTask], config: VariantConfig) -> Iterator[Outcome]:
        """Gives the records of every image, or its reject, in no order.

        Few images are under way at a time: memory does not grow with their number.

        Raises:
            OSError: if a source cannot be read for a reason that may pass.
        """
        chunks = _chunks(tasks)
        pending: dict[concurrent.futures.Future[list[Outcome]], list[RenderTask]] = {}
        try:
            while True:
                room = (_CHUNKS_AHEAD + 1) * self.processes - len(pending)
                for chunk in itertools.islice(chunks, room):
                    pending[self._schedule(chunk, config)] = chunk
                if not pending:
                    return
                done, _ = concurrent.futures.wait(
                    pending, return_when=concurrent.futures.FIRST_COMPLETED
                )
                for future in done:
                    chunk = pending.pop(future)
                    try:
                        yield from future.result()
                    except (TimeoutError, pebble.ProcessExpired):
                        yield from self._one_by_one(chunk, config)
        finally:
            for future in pending:
                future.cancel()

    def _schedule(
        self, chunk: Sequence[RenderTask], config: VariantConfig
    ) -> concurrent.futures.Future[list[Outcome]]:
        future: concurrent.futures.Future[list[Outcome]] = self._pool.schedule(
            _render_chunk, args=(chunk, config), timeout=self._timeout * len(chunk)
        )
        return future

    def _one_by_one(self, chunk: Sequence[RenderTask], config: VariantConfig) -> Iterator[Outcome]:
        """Gives the outcomes of a chunk of which some image took its worker down."""
        for task in chunk:
            try:
                yield from self._schedule([task], config).result()
            except TimeoutError:
                message = f"took more than {self._timeout:g} s"
                yield Reject(task.image.image_id, "timeout", message)
            except pebble.ProcessExpired as error:
                message = f"the decoder crashed (exit code {error.exitcode})"
                yield Reject(task.image.image_id, "crash", message)


def _chunks(tasks: Iterable[RenderTask]) -> Iterator[list[RenderTask]]:
    chunk: list[RenderTask] = []
    records = 0
    for task in tasks:
        copies = task.image.copies
        if chunk and (len(chunk) == _CHUNK_IMAGES or records + copies > _CHUNK_RECORDS):
            yield chunk
            chunk, records = [], 0
        chunk.append(task)
        records += copies
    if chunk:
        yield chunk


@dataclasses.dataclass
class _Worker:
    """What one worker process keeps."""

    readers: concurrent.futures.ThreadPoolExecutor


_worker: _Worker | None = None


def _start_worker(parent: int) -> None:
    """Prepares a worker process: it leaves Ctrl-C to its parent and dies with it."""
    global _worker  # noqa: PLW0603 - a process's own state, set once
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    _worker = _Worker(concurrent.futures.ThreadPoolExecutor(_CHUNK_IMAGES))


def _follow(parent: int) -> None:
    """Ends this process when its parent is gone, even by kill -9."""
    with contextlib.suppress(ProcessLookupError):
        select.select([os.pidfd_open(parent)], [], [])
    os._exit(1)


def _render_chunk(chunk: Sequence[RenderTask], config: VariantConfig) -> list[Outcome]:
    """Runs in a worker process: reads ahead with threads, renders in order."""
    assert _worker is not None
    contents = [_worker.readers.submit(read_source, task.image.uri) for task in chunk]
    outcomes: list[Outcome] = []
    for task, content in zip(chunk, contents, strict=True):
        try:
            outcomes.append(make_records(task, content.result(), config=config))
        except UnreadableImage as error:
            outcomes.append(Reject(task.image.image_id, error.reason, str(error)))
    return outcomes
