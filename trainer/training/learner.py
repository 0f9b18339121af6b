"""A network in training: its weights, its optimizer, and the steps that change them."""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from schemas.draws import uniform
from trainer.models import build_network
from trainer.run_config import RunConfig
from trainer.training.augment import draw_turns, turn
from trainer.training.device import Device
from trainer.training.optimizer import Schedule, make_optimizer

_SEED_STATE = "seed_generator_state"  # what Keras calls the state of a layer that draws


class Sums(NamedTuple):
    """Sums over records.

    Attributes:
        loss: of the cross-entropy, in nats.
        correct: records whose largest logit is their label's.
        records: how many.
    """

    loss: float = 0.0
    correct: float = 0.0
    records: float = 0.0

    @property
    def mean_loss(self) -> float:
        """Mean cross-entropy of a record."""
        return self.loss / self.records

    @property
    def accuracy(self) -> float:
        """Share of the records that are right."""
        return self.correct / self.records


class Learner:
    """A network on a device, with all that changes while it learns.

    The loop over steps is ours, not `Model.fit`: an epoch has exactly its records, a device's
    share of a short batch weighs what it holds, gradients are bounded after they are added up
    (so one device and several take the same step), and a signal waits for a step only.

    Attributes:
        network: the network.
        optimizer: its optimizer; `iterations` counts the steps.
        device: what both lie on.
    """

    def __init__(self, config: RunConfig, *, device: Device, steps_per_epoch: int):
        self._config = config
        self._recipe = recipe = config.recipe
        self.device = device
        with device.strategy.scope(), _precision(mixed=recipe.mixed_precision):
            self.network = build_network(
                config.arch,
                labels=len(config.labels),
                side=config.side,
                width=config.width,
                init=recipe.init,
                # AdamW shrinks weights by itself; in its loss, L2 would be something else
                weight_decay=recipe.weight_decay if recipe.optimizer == "sgd" else 0.0,
                seed=config.seed,
            )
            if device.replicas > 1:
                _synchronise(self.network)
            self._schedule = Schedule(recipe, steps_per_epoch)
            self.optimizer = make_optimizer(recipe, self._schedule)
            self.optimizer.build(self.network.trainable_variables)
            self._mean = [
                keras.Variable(weight.numpy(), trainable=False, dtype="float32")
                for weight in (self.network.weights if recipe.ema else ())
            ]
        self._turn_seed = int(uniform(config.seed, "turns") * 2**53)
        xla = config.xla and device.replicas == 1
        self._one_step = tf.function(self._step, jit_compile=True) if xla else self._step
        self._one_guess = tf.function(self._guess, jit_compile=True) if xla else self._guess
        self._train = tf.function(self._train_steps)
        self._look = tf.function(self._guess_steps)

    @property
    def learning_rate(self) -> float:
        """The rate of the last step."""
        return float(self._schedule(self.optimizer.iterations - 1))

    def variables(self) -> dict[str, keras.Variable]:
        """Returns all that a step changes, by a name that is the same in every process."""
        parts = {
            "weight": self.network.weights,
            "optimizer": self.optimizer.variables,
            "mean": self._mean,
        }
        return {
            f"{part}.{number:04d}": variable
            for part, variables in parts.items()
            for number, variable in enumerate(variables)
        }

    def begin_epoch(self, epoch: int) -> None:
        """Sets what layers draw from, so that it depends on the seed and the epoch alone.

        Args:
            epoch: from 0.
        """
        states = [v for v in self.network.variables if v.path.endswith(_SEED_STATE)]
        for number, state in enumerate(states):  # Keras' names count what the process has built
            copies = self.device.strategy.experimental_local_results(state.value)
            for replica, copy in enumerate(copies):
                draw = uniform(self._config.seed, "layer", number, epoch, replica)
                copy.assign(tf.cast([int(draw * 2**32), 0], copy.dtype))

    def feed(self, batches: tf.data.Dataset) -> Iterator[Any]:
        """Returns an iterator for `train` and `guess`.

        Args:
            batches: (images uint8 [b, side, side, 1], labels int32 [b]). Of several devices,
                each gets a run of a batch; the last run may be shorter or empty.
        """
        replicas = self.device.replicas
        if replicas == 1:
            if self.device.is_gpu:  # copy the next batch while this one is worked on
                name = self.device.names[0]
                batches = batches.apply(tf.data.experimental.prefetch_to_device(name, 2))
            return iter(batches)
        parts = batches.flat_map(lambda *batch: _parts(*batch, count=replicas))
        return iter(self.device.strategy.distribute_datasets_from_function(lambda _: parts))

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Puts the running mean of the weights in their place while the block runs."""
        if not self._mean:
            yield
            return
        weights = self.network.weights
        now = [weight.numpy() for weight in weights]
        for weight, mean in zip(weights, self._mean, strict=True):
            weight.assign(mean.numpy())
        try:
            yield
        finally:
            for weight, value in zip(weights, now, strict=True):
                weight.assign(value)

    def train(self, batches: Iterator[Any], steps: int, *, so_far: Sums) -> Sums:
        """Takes training steps; returns the sums with those of their records, before each step."""
        return Sums(*self._train(batches, tf.constant(steps), _tensor(so_far)).numpy().tolist())

    def guess(self, batches: Iterator[Any], steps: int, *, so_far: Sums) -> Sums:
        """Looks at batches without learning; returns the sums with those of their records."""
        return Sums(*self._look(batches, tf.constant(steps), _tensor(so_far)).numpy().tolist())

    # Sums go in and out, so that they are added up in one order, however many steps a call takes.

    def _train_steps(self, batches: Iterator[Any], steps: tf.Tensor, sums: tf.Tensor) -> tf.Tensor:
        for _ in tf.range(steps):
            sums += self._on_each(self._one_step, next(batches))
            self._update_mean()
        return sums

    def _guess_steps(self, batches: Iterator[Any], steps: tf.Tensor, sums: tf.Tensor) -> tf.Tensor:
        for _ in tf.range(steps):
            sums += self._on_each(self._one_guess, next(batches))
        return sums

    def _on_each(self, function: Any, batch: Any) -> tf.Tensor:
        strategy = self.device.strategy
        found = strategy.run(function, args=batch)
        return strategy.reduce(tf.distribute.ReduceOp.SUM, found, axis=None)

    def _step(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        recipe, variables = self._recipe, self.network.trainable_variables
        records = self._added_up(tf.cast(tf.shape(labels)[0], tf.float32))
        if recipe.augment:
            images = self._turned(images, records)
        with tf.GradientTape() as tape:
            logits = self.network(images, training=True)
            losses, wanted = _losses(logits, labels, smoothing=recipe.label_smoothing)
            loss = tf.reduce_sum(wanted) / records
            if self.network.losses:  # weight decay, once for all devices
                loss += tf.add_n(self.network.losses) / self.device.replicas
        gradients = self._added_up(tape.gradient(loss, variables))
        if recipe.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, recipe.clip_norm)
        if self.device.replicas > 1:  # the optimizer adds up over them, as if that were to do
            gradients = [gradient / self.device.replicas for gradient in gradients]
        self.optimizer.apply(gradients, variables)
        return _sums(losses, logits, labels)

    def _guess(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        logits = self.network(images, training=False)
        losses, _ = _losses(logits, labels, smoothing=0.0)
        return _sums(losses, logits, labels)

    def _added_up(self, values: Any) -> Any:
        if self.device.replicas == 1:
            return values
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, values)

    def _turned(self, images: tf.Tensor, records: tf.Tensor) -> tf.Tensor:
        """Turns this device's part of a batch of so many records as one device would."""
        batch, replicas = self._recipe.batch_size, self.device.replicas
        turns = draw_turns(batch, seed=self._turn_seed, step=self.optimizer.iterations)
        if replicas > 1:
            run = -(-tf.cast(records, tf.int32) // replicas)  # as `_parts` cuts
            turns = turns[tf.distribute.get_replica_context().replica_id_in_sync_group * run :]
        return turn(images, turns[: tf.shape(images)[0]])

    def _update_mean(self) -> None:
        if not self._mean:
            return
        step = tf.cast(self.optimizer.iterations.value, tf.float32)
        keep = tf.minimum(self._recipe.ema, (1 + step) / (10 + step))
        for mean, weight in zip(self._mean, self.network.weights, strict=True):
            mean.assign(mean + (1 - keep) * (weight - mean))


def _losses(logits: tf.Tensor, labels: tf.Tensor, *, smoothing: float) -> tuple[Any, Any]:
    """Returns the cross-entropy of each record, and the loss to learn from, both float32 [n]."""
    plain = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    if not smoothing:
        return plain, plain
    even = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=-1)
    return plain, (1 - smoothing) * plain + smoothing * even


def _tensor(sums: Sums) -> tf.Tensor:
    return tf.constant(sums, tf.float64)


def _sums(losses: tf.Tensor, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    correct = tf.argmax(logits, axis=-1, output_type=labels.dtype) == labels
    sums = (tf.reduce_sum(losses), tf.math.count_nonzero(correct), tf.size(labels))
    return tf.stack([tf.cast(value, tf.float64) for value in sums])


def _parts(images: tf.Tensor, labels: tf.Tensor, *, count: int) -> tf.data.Dataset:
    """Gives a batch in so many runs."""
    run = -(-tf.shape(labels)[0] // count)

    def part(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        first = tf.cast(number, tf.int32) * run
        return images[first : first + run], labels[first : first + run]

    return tf.data.Dataset.range(count).map(part)


def _synchronise(network: keras.Model) -> None:
    """Makes batch normalization use the whole batch, not each device's part of it."""
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True
        elif isinstance(layer, keras.Model):
            _synchronise(layer)


@contextlib.contextmanager
def _precision(*, mixed: bool) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if mixed else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
