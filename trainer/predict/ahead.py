"""Worker processes that read, decode and render images ahead of the network.

Processes rather than threads: a decoder that crashes or hangs on one image must cost that
image alone. A hang is ended by an alarm, which makes it a crash, so there is one way for both.
"""

import collections
import contextlib
import dataclasses
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait

import numpy as np

from pipeline.decode import UnreadableImage
from schemas.recipe import RenderConfig
from trainer.errors import TrainerError
from trainer.predict.config import check_views
from trainer.predict.reading import read_image
from trainer.predict.views import views_of

_IMAGES_AHEAD = 128  # waiting for the network; of eight views each, 17 MB


@dataclasses.dataclass(frozen=True)
class Failure:
    """An image that could not be used.

    Attributes:
        reason: a short code that stays the same: those of `UnreadableImage`, and "crash".
        message: what was wanted and what came.
    """

    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


Rendered = np.ndarray | Failure  # uint8 [views, 128, 128]


@dataclasses.dataclass(frozen=True)
class RenderTask:
    """What is made of every image.

    Attributes:
        views: how many; see `view_augmentations`.
        config: how they are rendered, as the dataset of the run was.
        seconds: what one image may take.
    """

    views: int
    config: RenderConfig
    seconds: float = 60.0

    def __post_init__(self) -> None:
        check_views(self.views)
        if self.seconds <= 0:
            raise ValueError(f"seconds must be more than 0, got {self.seconds}")


class RenderAhead:
    """Gives what is rendered of images, in their order. Use it as a context.

    The processes start at once, so that they work while TensorFlow is loaded. They end with
    the context, and with this process, even by kill -9.

    Args:
        uris: where the images lie.
        task: what is made of each.
        processes: how many; default one for each core this process may use.
    """

    def __init__(self, uris: Iterable[str], task: RenderTask, *, processes: int | None = None):
        self._uris = iter(uris)
        self._task = task
        self._processes = processes or len(os.sched_getaffinity(0))
        self._pending: collections.deque[tuple[str, Future[Rendered]]] = collections.deque()

    def __enter__(self) -> "RenderAhead":
        self._pool = self._start()
        self._fill()
        return self

    def __exit__(self, *exception: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def __iter__(self) -> Iterator[Rendered]:
        """Gives the views of each image, or why there are none.

        Raises:
            TrainerError: if no worker process can be started.
        """
        while self._pending:
            uri, future = self._pending.popleft()
            try:
                rendered = future.result()
            except BrokenProcessPool:
                rendered = self._mend(uri)
            self._fill()
            yield rendered

    def _start(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        return ProcessPoolExecutor(self._processes, mp_context=context, initializer=_prepare)

    def _fill(self) -> None:
        for uri in itertools.islice(self._uris, _IMAGES_AHEAD - len(self._pending)):
            self._pending.append((uri, self._submit(uri)))

    def _submit(self, uri: str) -> "Future[Rendered]":
        try:
            return self._pool.submit(_render_file, uri, self._task)
        except BrokenProcessPool as error:
            broken: Future[Rendered] = Future()
            broken.set_exception(error)
            return broken

    def _mend(self, uri: str) -> Rendered:
        """Returns what is made of an image after some image took its process down.

        All that were under way with it are made anew one by one: nobody else tells which
        one it was.
        """
        first, *others = [self._alone(uri), *map(self._anew, self._pending)]
        self._pending = collections.deque(
            (other, _done(rendered))
            for (other, _), rendered in zip(self._pending, others, strict=True)
        )
        self._repair()
        return first

    def _anew(self, pending: "tuple[str, Future[Rendered]]") -> Rendered:
        uri, future = pending
        with contextlib.suppress(BrokenProcessPool):
            return future.result()
        return self._alone(uri)

    def _alone(self, uri: str) -> Rendered:
        """Returns what is made of an image while no other is under way."""
        self._repair()
        try:
            return self._pool.submit(_render_file, uri, self._task).result()
        except BrokenProcessPool:
            seconds = f"{self._task.seconds:g} s"
            return Failure("crash", f"the decoder crashed, or took more than {seconds}")

    def _repair(self) -> None:
        """Starts other processes if one of these has died."""
        if self._is_broken():
            self._pool.shutdown()
            self._pool = self._start()
            if self._is_broken():
                raise TrainerError("wanted worker processes to render images, but none can start")

    def _is_broken(self) -> bool:
        try:
            self._pool.submit(os.getpid).result()
        except BrokenProcessPool:
            return True
        return False


def _done(rendered: Rendered) -> "Future[Rendered]":
    future: Future[Rendered] = Future()
    future.set_result(rendered)
    return future


def _prepare() -> None:
    """Runs first in a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, whatever C code it is in
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _render_file(uri: str, task: RenderTask) -> Rendered:
    """Runs in a worker process."""
    signal.setitimer(signal.ITIMER_REAL, task.seconds)
    try:
        return views_of(read_image(uri), task.views, task.config)
    except UnreadableImage as error:
        return Failure(error.reason, error.message)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
