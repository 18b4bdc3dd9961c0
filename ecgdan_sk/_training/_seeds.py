"""Random numbers of torch from generators of the thread.

Layers, initialisations and augmentations draw from torch's global generator, and most
of them accept no other. While a thread is `seeded`, its draws come from generators of
its own. So trainings in threads disturb neither each other nor the caller. With equal
seeds, the draws equal those of the global generator.
"""

import threading
from contextlib import contextmanager, nullcontext

import torch
from sklearn.utils import check_random_state
from torch.overrides import TorchFunctionMode

from ._ranks import current

# What draws, by its name in torch, and takes a generator.
WITH_GENERATOR = """
    _standard_gamma bernoulli bernoulli_ binomial cauchy_ exponential_ geometric_
    kaiming_uniform_ log_normal_ multinomial normal normal_ poisson rand rand_like
    randint randint_like randn randn_like random_ randperm uniform_
"""
# What may draw, and takes none.
WITHOUT_GENERATOR = """
    _sample_dirichlet alpha_dropout alpha_dropout_ dropout dropout1d dropout2d dropout3d
    dropout_ feature_alpha_dropout feature_alpha_dropout_ feature_dropout
    feature_dropout_ fractional_max_pool2d fractional_max_pool2d_with_indices
    fractional_max_pool3d fractional_max_pool3d_with_indices gru gumbel_softmax lstm
    multi_head_attention_forward native_dropout rnn_relu rnn_tanh rrelu rrelu_
    scaled_dot_product_attention
"""
_TAKE_ONE = frozenset(WITH_GENERATOR.split())
_TAKE_NONE = frozenset(WITHOUT_GENERATOR.split())
_thread = threading.local()
_turn = threading.Lock()


@contextmanager
def seeded(random_state, alike=False):
    """Seed the draws of this thread from torch, and nothing else.

    With `alike`, all processes that share a training use the seed of the first.
    """
    seed = check_random_state(random_state).randint(2**31 - 1)
    if alike:
        seed = current().from_first(seed)
    outer = getattr(_thread, "generators", None)
    _thread.generators = _Generators(int(seed))
    try:
        with _OwnRandomness() if outer is None else nullcontext():
            yield
    finally:
        _thread.generators = outer


def random_states():
    """States of the generators that this thread has drawn from, by device."""
    return {name: own.get_state() for name, own in _thread.generators.made.items()}


def restore_random_states(states, own="cpu"):
    """Bring the generators of this thread to these states, on its own device."""
    for name, state in states.items():
        device = torch.device(name)
        if device.type == torch.device(own).type:
            # Another process, or an earlier one, may have had another card.
            device = _indexed(torch.device(own))
        _thread.generators.on(device).set_state(state)


class _Generators:
    """A generator for each device, all of one seed."""

    def __init__(self, seed):
        self.seed = seed
        self.made = {}

    def on(self, device):
        """The generator of a device."""
        if str(device) not in self.made:
            generator = torch.Generator(device).manual_seed(self.seed)
            self.made[str(device)] = generator
        return self.made[str(device)]


class _OwnRandomness(TorchFunctionMode):
    """Pass the generators of this thread to functions that draw random numbers.

    The mode intercepts the calls of torch only in the thread that entered it.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Call `func`, if it draws with a generator of this thread."""
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        draws = name in _TAKE_ONE or name in _TAKE_NONE
        device = _device_of(args, kwargs) if draws else None
        # Without values, nothing is drawn.
        if not draws or device.type == "meta":
            return func(*args, **kwargs)
        own = _thread.generators.on(device)
        if name in _TAKE_ONE:
            generator = kwargs.get("generator") or own
            return func(*args, **{**kwargs, "generator": generator})
        if name == "dropout":
            return _dropout(own, *args, **kwargs)
        if name == "scaled_dot_product_attention" and not _drops(*args, **kwargs):
            return func(*args, **kwargs)
        return _in_turn(func, own, *args, **kwargs)


def _dropout(own, input, p=0.5, training=True, inplace=False, train=True):
    """Dropout as torch does it, bit for bit, but with a generator."""
    if not (training and train) or p == 0:
        return input
    if p == 1:
        kept = torch.zeros_like(input)
    else:
        kept = torch.empty_like(input).bernoulli_(1 - p, generator=own).div_(1 - p)
    return input.mul_(kept) if inplace else input * kept


def _drops(query, key, value, attn_mask=None, dropout_p=0.0, *args, **kwargs):
    """Whether an attention leaves weights out."""
    return dropout_p > 0


def _in_turn(func, own, *args, **kwargs):
    """Call a function without a generator argument; it locks the global generator."""
    device = own.device
    shared = torch.default_generator
    if device.type == "cuda":
        shared = torch.cuda.default_generators[device.index]
    elif device.type == "mps":
        shared = torch.mps._get_default_mps_generator()
    with _turn:
        callers = shared.get_state()
        shared.set_state(own.get_state())
        try:
            return func(*args, **kwargs)
        finally:
            own.set_state(shared.get_state())
            shared.set_state(callers)


def _device_of(args, kwargs):
    """Device of a call: its `device` argument, or the device of its tensors."""
    device = kwargs.get("device")
    if device is None:
        tensors = [a for a in (*args, *kwargs.values()) if isinstance(a, torch.Tensor)]
        device = tensors[0].device if tensors else torch.get_default_device()
    return _indexed(torch.device(device))


def _indexed(device):
    """Device with its index, if there may be several."""
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", torch.cuda.current_device())
    return device
