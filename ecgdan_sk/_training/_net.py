"""The skorch net of the estimators: training steps, validation, interruption."""

from contextlib import contextmanager

import numpy as np
import torch
from skorch import NeuralNet
from skorch.dataset import unpack_data
from skorch.utils import to_tensor
from torch import Tensor, nn

from ..augmentation import Augmentation
from ..losses import reconstruction_loss
from ..network import present_leads
from ._finite import check_finite_state
from ._ranks import current
from ._seeds import random_states, restore_random_states, seeded

NOTHING = Augmentation()

# Samples of a lead in all ECGs that a CPU computes at once. Of more, the features want
# memory that the system hands out anew each time: half the speed at 10 s and 500 Hz.
_PIECE = 128_000


class ECGNet(NeuralNet):
    """A net for modules that have an `encoder` and, for reconstruction, a `decoder`.

    It augments training batches, scores the validation part as a whole, because a Cox
    loss is not a mean over batches, and never goes on from a loss that is not finite.

    Parameters
    ----------
    *args, **kwargs
        As for `skorch.NeuralNet`.
    augmentation : Augmentation
        What training changes of the ECGs.
    reconstruction_weight : float, default=0.0
        Weight of the error with which the decoder restores the unchanged ECGs.
    micro_batch_size : int or None, default=None
        ECGs that pass the network at once in training; the loss sees the whole batch.
    n_unfrozen : int or None, default=None
        Stages of the encoder that are trained, counted from its end. None trains all.
    max_norm : float, default=5.0
        Norm to which gradients are clipped.
    valid_scores : tuple of (str, callable), default=()
        Further scores of the validation part, from its outputs, targets and the loss.
    validate_reconstruction : bool, default=False
        Whether the validation loss counts the error of the reconstruction.
    validated_at_once : int or None, default=None
        ECGs of the validation part that the loss compares, always the same together.
        None compares all.
    precision : {"float32", "bf16"}, default="float32"
        Numbers in which the module computes; losses are always in float32.
    """

    def __init__(
        self,
        *args,
        augmentation=NOTHING,
        reconstruction_weight=0.0,
        micro_batch_size=None,
        n_unfrozen=None,
        max_norm=5.0,
        valid_scores=(),
        validate_reconstruction=False,
        validated_at_once=None,
        precision="float32",
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self.augmentation = augmentation
        self.reconstruction_weight = reconstruction_weight
        self.micro_batch_size = micro_batch_size
        self.n_unfrozen = n_unfrozen
        self.max_norm = max_norm
        self.valid_scores = valid_scores
        self.validate_reconstruction = validate_reconstruction
        self.validated_at_once = validated_at_once
        self.precision = precision

    def initialize_module(self):
        """Make the module in the memory format in which convolutions are fastest."""
        super().initialize_module()
        keep_freed_memory()
        self.module_.to(memory_format=torch.channels_last)
        self.unfreeze(self.n_unfrozen)
        return self

    def unfreeze(self, n_stages: int | None) -> None:
        """Let that many stages of the encoder train, counted from its end."""
        stages = self.module_.encoder.stages()
        n_stages = len(stages) if n_stages is None else n_stages
        self.frozen_ = stages[n_stages:]
        for i, stage in enumerate(stages):
            stage.requires_grad_(i < n_stages)

    def infer(self, x, **fit_params) -> Tensor:
        """Output of the module, in float32."""
        with self.numbers():
            return in_pieces(self.module_, to_tensor(x, device=self.device)).float()

    def encoding_step(self, batch) -> Tensor:
        """Latent features of the ECGs of a batch, in float32."""
        self._set_training(False)
        x = to_tensor(unpack_data(batch)[0], device=self.device)
        with torch.no_grad(), self.numbers():
            return in_pieces(self.module_.encoder, x).float()

    def train_step_single(self, batch, **fit_params) -> dict:
        """One gradient, refused where the loss is not finite."""
        self._set_training(True)
        x, target = (to_tensor(part, device=self.device) for part in unpack_data(batch))
        ranks, n = current(), len(target)
        views = ranks.augmented(self.augmentation, x, present_leads(x), n)
        if self.micro_batch_size and self.micro_batch_size * ranks.n_ranks < n:
            loss = self._backward_in_pieces(ranks, views, target)
        else:
            with ranks.in_one_batch(n):
                output, error = self._forward(views)
            loss = self.get_loss(ranks.gathered(output, n), target)
            share = error * (len(x) / n)
            (loss + share).backward()
            loss = loss + ranks.summed(_detached(share))
        if ranks.n_ranks > 1:
            ranks.sum_gradients(self.module_, self.criterion_)
            # Parts of other sizes may have drawn more.
            restore_random_states(ranks.from_first(random_states()), self.device)
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"The training loss became {loss.item()} in epoch {len(self.history)}."
            )
        parameters = [p for _, p in self.get_all_learnable_params()]
        torch.nn.utils.clip_grad_norm_(parameters, self.max_norm)
        return {"loss": loss.detach(), "y_pred": None}

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Train over batches; validate over all of the validation part at once."""
        if training or iterator is None:
            super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
            check_finite_state(self)
            return
        scores = self.scores(iterator)
        if not np.isfinite(scores["loss"]):
            raise FloatingPointError(
                f"The validation loss became {scores['loss']} in epoch "
                f"{len(self.history)}."
            )
        for name, value in scores.items():
            self.history.record(f"{prefix}_{name}", value)

    def scores(self, iterator) -> dict[str, float]:
        """Loss, and further scores, of the batches of an iterator as a whole."""
        ranks, data = current(), iterator.dataset
        batches = list(iterator.batch_sampler)
        output, error = self._validated(data, batches[ranks.rank :: ranks.n_ranks])
        shape = ranks.from_first(None if output is None else output.shape)
        if output is None:  # fewer batches than processes
            output = torch.zeros(shape, device=self.device)
        output, error = ranks.summed(output), ranks.summed(error)
        target = to_tensor(data.target[data.rows], device=self.device)
        with torch.no_grad():
            loss = self._loss_in_parts(output, target) + error / len(target)
            others = {
                name: score(output, target, self.criterion_)
                for name, score in self.valid_scores
            }
        return ranks.from_first({"loss": loss} | others)

    def _validated(self, data, batches):
        """Outputs of all, 0 but for these batches, and their restoring errors."""
        output, error = None, 0.0
        for rows in batches:
            batch = data.__getitems__(rows)
            own = self.evaluation_step(batch)
            if output is None:
                # Small results kept one by one scatter over the room of large batches.
                output = own.new_zeros((len(data), *own.shape[1:]))
            output[rows] = own
            if self.validate_reconstruction:
                error += len(own) * self._restoring_error(batch)
        return output, error

    def _loss_in_parts(self, output, target):
        """Loss of all, or the mean over parts of as many as are compared at once."""
        at_once = self.validated_at_once
        if at_once is None or len(output) <= at_once:
            return self.get_loss(output, target).item()
        parts = zip(output.split(at_once), target.split(at_once))
        total = sum(len(o) * self.get_loss(o, t).item() for o, t in parts)
        return total / len(output)

    def _restoring_error(self, batch):
        """Weighted reconstruction error, with the same random changes at every call."""
        x = to_tensor(unpack_data(batch)[0], device=self.device)
        with torch.no_grad(), seeded(0):
            return float(self._forward(self.augmentation(x, present_leads(x)))[1])

    def notify(self, method_name, **cb_kwargs):
        """Call the callbacks, and distinguish their stops from Ctrl-C of the user.

        A callback that ends the training raises in its own method. Ctrl-C comes from a
        function that this method called.
        """
        try:
            super().notify(method_name, **cb_kwargs)
        except KeyboardInterrupt as stop:
            stop.by_callback = _innermost(stop.__traceback__).startswith("on_")
            raise

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """Train; remember whether the user broke it off."""
        self.interrupted_ = False
        try:
            return super().fit_loop(X, y, epochs, **fit_params)
        except KeyboardInterrupt as stop:
            self.interrupted_ = not getattr(stop, "by_callback", False)
            raise

    def _set_training(self, training=True):
        """Train mode, except where weights are frozen: statistics and dropout too."""
        super()._set_training(training)
        for stage in self.frozen_:
            stage.eval()

    def numbers(self):
        """The context in which the module computes."""
        device_type = torch.device(self.device).type
        enabled = self.precision == "bf16"
        return torch.autocast(device_type, torch.bfloat16, enabled=enabled)

    def _forward(self, views):
        """Output in float32, and the weighted error of the reconstruction."""
        clean, x, recorded, present = views
        with self.numbers():
            if not self.reconstruction_weight:
                return self.module_(x, present).float(), 0.0
            output, restored = self.module_.with_reconstruction(x, present)
        clean = self.module_.encoder.scaled(clean)
        error = reconstruction_loss(restored.float(), clean, recorded)
        return output.float(), self.reconstruction_weight * error

    def _backward_in_pieces(self, ranks, views, target):
        """Gradient of the whole batch, with the graph of a few ECGs in memory at once.

        A first run computes all outputs without a graph. Their loss gives the gradient
        of each output, which a second run with a graph propagates piece by piece.
        """
        n = len(target)
        pieces = ranks.pieces(views, n, self.micro_batch_size)
        seed = int(torch.randint(2**31 - 1, ()))
        with torch.no_grad(), _still_statistics(self.module_), ranks.in_one_batch():
            outputs = [self._piece(piece, seed)[0] for piece in pieces]
        output = torch.cat(outputs).requires_grad_()
        loss = self.get_loss(ranks.gathered(output, n), target)
        loss.backward()
        # The loss is of all, and counts once.
        total = loss.detach() if ranks.is_first else torch.zeros_like(loss)
        gradients = output.grad.split([len(piece) for piece in outputs])
        for piece, gradient in zip(pieces, gradients):
            with ranks.in_one_batch():
                output, error = self._piece(piece, seed)
            share = len(output) / n * error
            torch.autograd.backward((output * gradient).sum() + share)
            total = total + _detached(share)
        return ranks.summed(total)

    def _piece(self, piece, seed):
        """Outputs of one piece. All pieces use the same dropout masks."""
        with seeded(seed):
            return self._forward(piece)


def _innermost(traceback) -> str:
    """Name of the function that raised."""
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame.f_code.co_name


def keep_freed_memory() -> None:
    """Let the C library keep the memory of a step for the next step.

    Requesting memory from the system again costs a third of a training step. glibc
    keeps twice the size of the largest freed block, up to 32 MB (see M_MMAP_THRESHOLD
    in the manual of mallopt). Nothing is written into the block.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8)


def in_pieces(module, x: Tensor) -> Tensor:
    """Outputs of a module for ECGs (B, L, T), which a CPU computes a few at a time."""
    size = len(x) if x.device.type != "cpu" else max(1, _PIECE // x.shape[2])
    return torch.cat([module(piece, present_leads(piece)) for piece in x.split(size)])


def _detached(value):
    """A number, or a tensor without its graph."""
    return value.detach() if isinstance(value, Tensor) else value


@contextmanager
def _still_statistics(module: nn.Module):
    """Context in which batch normalisation does not update its running statistics."""
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d)
    norms = [part for part in module.modules() if isinstance(part, kinds)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
