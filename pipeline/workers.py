"""Worker processes that render images, for any number of shards at a time.

Processes rather than threads: serialising and drawing hold Python's lock, and a decoder
that crashes or hangs on one image must cost that image alone (docs/benchmarks.md has the
shares). Each process has threads that read ahead, which hides the latency of a source.
"""

import concurrent.futures
import functools
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence

from pipeline.pool import Reject
from pipeline.processes import CallTimeout, ProcessDied, Processes
from pipeline.tasks import ImageRecords, RenderTask, VariantConfig

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
        self._pool = Processes(self.processes, preload=["pipeline.variants"])

    def __enter__(self) -> "RenderWorkers":
        return self

    def __exit__(self, *exception: object) -> None:
        self._pool.stop()

    def render(self, tasks: Iterable[RenderTask], config: VariantConfig) -> Iterator[Outcome]:
        """Gives the records of every image, or its reject, in no order.

        Few images are under way at a time: memory does not grow with their number.

        Raises:
            OSError: if a source cannot be read for a reason that may pass.
            BuildError: if no worker process can be started.
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
                    except (CallTimeout, ProcessDied):
                        yield from self._one_by_one(chunk, config)
        finally:
            for future in pending:
                future.cancel()

    def _schedule(
        self, chunk: Sequence[RenderTask], config: VariantConfig
    ) -> concurrent.futures.Future[list[Outcome]]:
        future: concurrent.futures.Future[list[Outcome]] = self._pool.call(
            _render_chunk, chunk, config, timeout=self._timeout * len(chunk)
        )
        return future

    def _one_by_one(self, chunk: Sequence[RenderTask], config: VariantConfig) -> Iterator[Outcome]:
        """Gives the outcomes of a chunk of which some image took its worker down."""
        for task in chunk:
            try:
                yield from self._schedule([task], config).result()
            except CallTimeout:
                message = f"took more than {self._timeout:g} s"
                yield Reject(task.image.image_id, "timeout", message)
            except ProcessDied as error:
                message = f"the decoder crashed (exit code {error.exit_code})"
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


@functools.cache
def _readers() -> concurrent.futures.ThreadPoolExecutor:
    """Returns the threads of this process that read ahead."""
    return concurrent.futures.ThreadPoolExecutor(_CHUNK_IMAGES)


def _render_chunk(chunk: Sequence[RenderTask], config: VariantConfig) -> list[Outcome]:
    """Runs in a worker process: reads ahead with threads, renders in order."""
    # OpenCV, which the process that asks can do without
    from pipeline.decode import UnreadableImage  # noqa: PLC0415
    from pipeline.variants import make_records, read_source  # noqa: PLC0415

    contents = [_readers().submit(read_source, task.image.uri) for task in chunk]
    outcomes: list[Outcome] = []
    for task, content in zip(chunk, contents, strict=True):
        try:
            outcomes.append(make_records(task, content.result(), config=config))
        except UnreadableImage as error:
            outcomes.append(Reject(task.image.image_id, error.reason, str(error)))
    return outcomes
