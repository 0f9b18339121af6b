"""Processes that answer calls, and that may crash, hang or be killed at any moment.

Each process has a pipe of its own. Of processes that share one, a process killed while
it writes leaves half a message and a lock that nobody lets go of: all wait for ever.
"""

import contextlib
import dataclasses
import multiprocessing
import os
import queue
import select
import signal
import threading
import traceback
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from typing import Any

from pipeline.errors import BuildError

_STARTS = 3  # a process that cannot even start is no fault of what it is asked
_START_SECONDS = 120.0


class ProcessDied(Exception):
    """The process ended before it had answered.

    Attributes:
        exit_code: its exit code; below 0: minus the number of a signal.
    """

    def __init__(self, exit_code: int | None):
        super().__init__(f"the process ended with exit code {exit_code}")
        self.exit_code = exit_code


class CallTimeout(Exception):
    """The process took longer than the call allowed, and was ended."""


@dataclasses.dataclass(frozen=True)
class _Call:
    future: "Future[Any]"
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    timeout: float


_Calls = queue.SimpleQueue[_Call | None]


class Processes:
    """A fixed number of processes; each is started when there is a call for it.

    They end when `stop` is called, when this object is gone, and when the process that
    made it ends, even by kill -9.

    Args:
        count: how many.
        preload: modules that are loaded once, for all of them.
    """

    def __init__(self, count: int, *, preload: Sequence[str]):
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(preload))
        self._calls: _Calls = queue.SimpleQueue()
        # the end of file of this pipe wakes every thread that waits for an answer
        stopped, stop = context.Pipe(duplex=False)
        threads = [
            threading.Thread(target=_drive, args=(self._calls, stopped, context), daemon=True)
            for _ in range(count)
        ]
        for thread in threads:
            thread.start()
        self.stop = weakref.finalize(self, _stop, self._calls, stop, threads)

    def call(self, function: Callable[..., Any], *arguments: Any, timeout: float) -> "Future[Any]":
        """Calls a function in one of the processes.

        Args:
            function: a function of a module.
            arguments: its arguments.
            timeout: seconds that it may take.

        Returns:
            What will give its result, or raise `ProcessDied`, `CallTimeout`, what the
            function raised, or `BuildError` if no process can be started.
        """
        if not self.stop.alive:
            raise RuntimeError("these processes have been stopped")
        future: Future[Any] = Future()
        self._calls.put(_Call(future, function, arguments, timeout))
        return future


def _stop(calls: _Calls, stop: Connection, threads: Sequence[threading.Thread]) -> None:
    stop.close()
    for _ in threads:
        calls.put(None)
    for thread in threads:
        if thread is not threading.current_thread():  # whose garbage collection this may be
            thread.join()
    with contextlib.suppress(queue.Empty):
        while True:
            call = calls.get_nowait()
            if call:
                call.future.cancel()


def _drive(calls: _Calls, stopped: Connection, context: ForkServerContext) -> None:
    """Runs in a thread: hands calls to one process, and starts another when it is gone."""
    process: _Process | None = None
    while not stopped.poll() and (call := calls.get()):
        if not call.future.set_running_or_notify_cancel():
            continue
        try:
            process = process or _start(context, stopped)
            value = process.answer(call)
        except (ProcessDied, CallTimeout, BuildError, CancelledError) as error:
            process = None
            call.future.set_exception(error)
        except Exception as error:  # noqa: BLE001 - is raised where the result is asked for
            call.future.set_exception(error)
        else:
            call.future.set_result(value)
        del call  # or its result stays until the next one
    if process:
        process.end()


def _start(context: ForkServerContext, stopped: Connection) -> "_Process":
    for left in reversed(range(_STARTS)):
        try:
            return _Process(context, stopped)
        except (ProcessDied, CallTimeout) as error:
            if not left:
                raise BuildError(f"a worker process cannot start: {error}") from error
    raise AssertionError("not reached")


class _Process:
    """One process and the pipe to it."""

    def __init__(self, context: ForkServerContext, stopped: Connection):
        self._stopped = stopped
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, os.getpid()), daemon=True)
        self._process.start()
        theirs.close()
        self._receive(_START_SECONDS)

    def answer(self, call: _Call) -> Any:
        """Returns what a call gives, or raises what it raises."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # `_receive` says more
            self._pipe.send((call.function, call.arguments))
        succeeded, value = self._receive(call.timeout)
        if not succeeded:
            raise value
        return value

    def end(self) -> int | None:
        """Ends the process, if it lives, and returns its exit code."""
        self._process.kill()
        self._process.join()
        self._pipe.close()
        return self._process.exitcode

    def _receive(self, timeout: float) -> Any:
        ready = wait([self._pipe, self._process.sentinel, self._stopped], timeout)
        if self._pipe in ready:
            # half a message of a process that was killed while it wrote ends in one of these
            with contextlib.suppress(EOFError, OSError):
                return self._pipe.recv()
        if self._pipe in ready or self._process.sentinel in ready:
            self._process.join(1)  # its own exit code, not that of the kill to come
            raise ProcessDied(self.end())
        self.end()
        if ready:
            raise CancelledError
        raise CallTimeout(f"took more than {timeout:g} s")


def _serve(pipe: Connection, parent: int) -> None:
    """Runs in the process: answers calls, leaves Ctrl-C to its parent and dies with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    # the ways a pipe says that its other side is gone, and no reason to print a traceback
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        pipe.send(None)  # it has started
        while True:
            function, arguments = pipe.recv()
            answer = _answer(function, arguments)
            try:
                pipe.send(answer)
            except (TypeError, AttributeError, ValueError) as error:  # what pickle raises
                pipe.send((False, RuntimeError(f"{answer[1]!r} cannot be sent: {error}")))


def _answer(function: Callable[..., Any], arguments: Sequence[Any]) -> tuple[bool, Any]:
    try:
        return True, function(*arguments)
    except Exception as error:  # noqa: BLE001 - is raised where the result is asked for
        error.add_note(traceback.format_exc())
        return False, error


def _follow(parent: int) -> None:
    """Ends this process when its parent is gone, even by kill -9."""
    with contextlib.suppress(ProcessLookupError):
        select.select([os.pidfd_open(parent)], [], [])
    os._exit(1)
