"""The device: what it is asked to be, what is there, and what TensorFlow may say."""

import dataclasses
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.errors import UsageError
from trainer.training.silence import log_put_aside

if TYPE_CHECKING:
    import tensorflow as tf

_put_aside: list[str] = []  # of TensorFlow's log: told where a GPU that was wanted is not found
_LEAST_FOR_BFLOAT16 = (8, 0)  # compute capability from which on GPUs multiply bfloat16


def quiet() -> None:
    """Loads TensorFlow and keeps it from talking; to be called before it is imported.

    What a person has set in the environment stays.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if "tensorflow" in sys.modules:
        return
    with log_put_aside() as lines:
        import tensorflow as tf  # noqa: PLC0415 - seconds, and only where it is used

        tf.config.list_physical_devices()  # this is when it complains that there is no GPU
    _put_aside.extend(lines)


@dataclasses.dataclass(frozen=True)
class Wanted:
    """The device that is asked for.

    Attributes:
        gpus: train on so many; 0 is the CPU. None: on one GPU where there is one.
        logical_cpus: train on so many parts of the CPU, as on so many GPUs: a way to try
            several devices where there are none.
        deterministic: whether operations must give the same bits each time.
    """

    gpus: int | None = None
    logical_cpus: int = 1
    deterministic: bool = False

    def __post_init__(self) -> None:
        if self.gpus is not None and self.gpus < 0:
            raise UsageError(f"wanted 0 GPUs or more, got {self.gpus}")
        if self.logical_cpus < 1:
            raise UsageError(f"wanted 1 logical CPU or more, got {self.logical_cpus}")
        if self.gpus and self.logical_cpus > 1:
            raise UsageError("give GPUs or logical CPUs to train on, not both")


@dataclasses.dataclass(frozen=True)
class Device:
    """What a network is trained on.

    Attributes:
        strategy: puts variables and steps on it.
        names: of its parts, as TensorFlow has them; as many as there are replicas.
        title: for a person, such as "2 x NVIDIA A100".
        note: what a person should know of the choice, or "".
    """

    strategy: "tf.distribute.Strategy"
    names: tuple[str, ...]
    title: str
    note: str = ""

    @property
    def replicas(self) -> int:
        """On how many parts the network lies."""
        return len(self.names)

    @property
    def is_gpu(self) -> bool:
        """Whether it is one GPU or several."""
        return "GPU" in self.names[0]


def refuse_cluster(environment: Mapping[str, str]) -> None:
    """Stops where a cluster of several workers for one network is configured.

    Keras' training loops fail there (keras-team/keras#20585), and batches of 64 leave
    nothing to share between nodes: the sweep over networks is what runs in parallel.

    Raises:
        UsageError: if `TF_CONFIG` names more than one task, or is no JSON object.
    """
    text = environment.get("TF_CONFIG")
    if not text:
        return
    try:
        cluster = json.loads(text).get("cluster", {})
        tasks = sum(len(addresses) for addresses in cluster.values())
    except (ValueError, AttributeError, TypeError) as error:
        raise UsageError(f"TF_CONFIG is no description of a cluster ({error}); unset it") from error
    if tasks > 1:
        raise UsageError(
            f"wanted one process for a network, but TF_CONFIG names {tasks}; unset it, and train "
            "each network in a job of its own (`--arch all` with an index, see docs/training.md)"
        )


def open_device(wanted: Wanted) -> Device:
    """Returns the device to train on; the first call in a process decides its parts.

    Raises:
        UsageError: if there are fewer GPUs than wanted, or a cluster is configured.
    """
    refuse_cluster(os.environ)
    quiet()
    import tensorflow as tf  # noqa: PLC0415 - seconds, and only where a device is used

    gpus = tf.config.list_physical_devices("GPU")
    count = min(1, len(gpus)) if wanted.gpus is None else wanted.gpus
    if count > len(gpus):
        print("\n".join(_put_aside), file=sys.stderr)  # may say what is wrong with the driver
        raise UsageError(
            f"wanted {count} GPUs, found {len(gpus)}; see whether the job asked for them and the "
            "driver is there (nvidia-smi), or train on the CPU (--expect-gpus 0)"
        )
    if wanted.deterministic:
        tf.config.experimental.enable_op_determinism()
    if count:
        return _on_gpus(gpus[:count], found=len(gpus))
    return _on_cpu(1 if wanted.gpus else wanted.logical_cpus)


def check_precision(device: Device, *, mixed: bool) -> None:
    """Stops where layers are to compute in bfloat16 on a GPU that cannot.

    Raises:
        UsageError: says which GPU.
    """
    if not (mixed and device.is_gpu):
        return
    import tensorflow as tf  # noqa: PLC0415

    for gpu in tf.config.list_physical_devices("GPU")[: device.replicas]:
        details = tf.config.experimental.get_device_details(gpu)
        capability = details.get("compute_capability", _LEAST_FOR_BFLOAT16)
        if tuple(capability) < _LEAST_FOR_BFLOAT16:
            raise UsageError(
                f"wanted a GPU that computes in bfloat16 (capability 8.0), got {device.title} "
                f"({capability[0]}.{capability[1]}); give --no-mixed-precision"
            )


def _on_gpus(gpus: Sequence[Any], *, found: int) -> Device:
    import tensorflow as tf  # noqa: PLC0415

    _show_only(gpus)
    for gpu in gpus:
        if not tf.config.experimental.get_memory_growth(gpu):  # the run before may have set it
            tf.config.experimental.set_memory_growth(gpu, True)
    titles = [tf.config.experimental.get_device_details(gpu).get("device_name") for gpu in gpus]
    title = titles[0] or "GPU"
    spare = found - len(gpus)
    return _spread(
        tuple(f"/GPU:{number}" for number in range(len(gpus))),
        title=title if len(gpus) == 1 else f"{len(gpus)} x {title}",
        note=f"{spare} more GPUs are here: --expect-gpus {found} trains on all" if spare else "",
    )


def _on_cpu(parts: int) -> Device:
    import tensorflow as tf  # noqa: PLC0415

    _show_only(())
    title = f"{len(os.sched_getaffinity(0))} cores of {_processor()}"
    if parts == 1:
        return _spread(("/CPU:0",), title=title)
    cpu = tf.config.list_physical_devices("CPU")[0]
    if len(tf.config.get_logical_device_configuration(cpu) or ()) != parts:
        try:
            tf.config.set_logical_device_configuration(
                cpu, [tf.config.LogicalDeviceConfiguration()] * parts
            )
        except RuntimeError as error:  # the process has used the CPU as one already
            raise UsageError(f"wanted {parts} logical CPUs, but {error}") from error
    names = tuple(f"/CPU:{number}" for number in range(parts))
    return _spread(names, title=f"{parts} parts of {title}")


def _show_only(gpus: Sequence[Any]) -> None:
    """Hides all other GPUs, so that nothing is put on them."""
    import tensorflow as tf  # noqa: PLC0415

    if list(gpus) != tf.config.get_visible_devices("GPU"):
        tf.config.set_visible_devices(list(gpus), "GPU")


def _spread(names: tuple[str, ...], *, title: str, note: str = "") -> Device:
    import tensorflow as tf  # noqa: PLC0415

    if len(names) == 1:
        strategy = tf.distribute.get_strategy()  # the one that spreads nothing
    else:
        strategy = tf.distribute.MirroredStrategy(list(names))
    return Device(strategy, names, title, note)


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "an unknown processor"
