"""The estimators' constructor parameters: legal values and documentation, declared once.

Holds no values and trains nothing.
"""

from collections.abc import Callable
from numbers import Integral, Real
from textwrap import indent
from typing import Any, TypeVar

from sklearn.utils._param_validation import Interval, StrOptions

from skcnn._convnet.architectures import NAMED
from skcnn._network.network import WEIGHT_INITS
from skcnn._training.losses import CLASSIFICATION_LOSSES, REGRESSION_LOSSES
from skcnn._training.optimizers import OPTIMIZERS
from skcnn._training.schedules import SCHEDULES
from skcnn.layers._base import ACTIVATIONS, NORMALIZATIONS, PADDING_MODES, PADDINGS, POOLINGS

T = TypeVar("T", bound=type)


def _one_of(names: Any) -> StrOptions:
    return StrOptions(set(names))


_COUNT = Interval(Integral, 1, None, closed="left")
_SIZE = [_COUNT, tuple, list]
_SHARE = Interval(Real, 0, 1, closed="left")
_PENALTY = Interval(Real, 0, None, closed="left")
_AUTO = _one_of(["auto"])

SHARED_CONSTRAINTS: dict[str, Any] = {
    "input_shape": [tuple, list, None],
    "channels": [_one_of(["last", "first"])],
    "filters": [_AUTO, *_SIZE],
    "kernel_size": _SIZE,
    "stride": _SIZE,
    "padding": [_one_of(PADDINGS), Interval(Integral, 0, None, closed="left"), tuple, list],
    "padding_mode": [_one_of(PADDING_MODES)],
    "pooling": [_one_of(POOLINGS), None],
    "pool_size": _SIZE,
    "pool_stride": [*_SIZE, None],
    "hidden_units": _SIZE,
    "activation": [_one_of(ACTIVATIONS)],
    "normalization": [_one_of(NORMALIZATIONS), None],
    "dropout": [_SHARE],
    "conv_dropout": [_SHARE],
    "weight_init": [_one_of(WEIGHT_INITS)],
    "architecture": [_one_of(NAMED), list, tuple, callable, None],
    "loss": [_one_of(REGRESSION_LOSSES)],
    "optimizer": [_one_of(OPTIMIZERS)],
    "learning_rate": [_AUTO, Interval(Real, 0, None, closed="neither")],
    "momentum": [_SHARE],
    "nesterov": ["boolean"],
    "weight_decay": [_AUTO, _PENALTY],
    "l1_penalty": [_PENALTY],
    "lr_schedule": [_one_of(SCHEDULES)],
    "batch_size": [_AUTO, _COUNT, None],
    "max_epochs": [_AUTO, _COUNT],
    "augmentation": "no_validation",  # by _views
    "augmentation_strength": [Interval(Real, 0, None, closed="left")],
    "test_time_augmentation": "no_validation",  # by _views
    "standardize": ["boolean"],
    "gradient_clip": [Interval(Real, 0, None, closed="neither"), None],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [_COUNT],
    "tol": [_PENALTY],
    "warm_start": ["boolean"],
    "callbacks": [list, tuple, None],
    "device": [str],
    "precision": [_one_of(["auto", "float32", "bfloat16"])],
    "n_threads": [_COUNT, None],
    "compile": ["boolean"],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}

CLASSIFIER_CONSTRAINTS: dict[str, Any] = {
    **SHARED_CONSTRAINTS,
    "loss": [_one_of(CLASSIFICATION_LOSSES)],
    "label_smoothing": [_SHARE],
    "class_weight": [dict, _one_of(["balanced"]), None],
}


SHAPE_AND_ARCHITECTURE = """
input_shape : tuple of int or None, default=None
    Shape of one sample. ``(height, width)`` or ``(height, width, channels)`` reads
    flat rows as images, ``(length, channels)`` reads three-dimensional `X` as signals
    with several channels. None takes the shape of `X` itself: (n, p) is a signal of
    length p with one channel, (n, height, width) are grey images.
channels : {"last", "first"}, default="last"
    Where the channel axis of `X` and `input_shape` is.
filters : "auto", int or tuple, default="auto"
    Filters of the convolutions, one entry a block: an integer is one convolution, a
    tuple several before the pool, as in ``(32, 32, (64, 64))``. "auto" takes 32, 64,
    128, 128, ... with one block for each halving that brings the longest side to 7 or
    less, two blocks at least: (32, 64) up to 28x28, (32, 64, 128, 128) for 64x64.
kernel_size : int or tuple of int, default=3
    Window of the convolutions in pixels or samples, one for all axes or one for each.
stride : int or tuple of int, default=1
    Distance between window positions of the convolutions.
padding : {"same", "valid"}, int or tuple of int, default="same"
    Values added on each side: "same" keeps the size at stride 1, "valid" adds none.
padding_mode : {"zeros", "mirror", "edge", "wrap"}, default="zeros"
    What is added.
pooling : {"max", "average"} or None, default="max"
    What ends a block. None leaves pooling out.
pool_size : int or tuple of int, default=2
    Window of the pools. Axes of length one are left alone.
pool_stride : int, tuple of int or None, default=None
    Distance between window positions of the pools; None means `pool_size`.
hidden_units : int or tuple of int, default=(128,)
    Neurons of the hidden dense layers; ``()`` for none.
activation : {"relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", \
"identity"}, default="relu"
    Nonlinearity after every convolution and hidden dense layer.
normalization : {"batch", "group"} or None, default="batch"
    Normalisation before the activation of convolutions and hidden dense layers.
dropout : float, default=0.25
    Probability of dropping an input of a dense layer, in [0, 1).
conv_dropout : float, default=0.0
    Probability of dropping a feature map at the end of a block, in [0, 1).
weight_init : {"he_normal", "he_uniform", "glorot_normal", "glorot_uniform", \
"dirac", "normal", "zeros"}, default="he_normal"
    Distribution of the initial weights. "dirac": the first filters of a convolution copy
    its input channels, its other filters and dense layers are as of "he_uniform".
    "normal" has standard deviation 0.01. Biases start at zero, the closing layer's
    weights are divided by ten. A callable's module keeps its own.
architecture : "lenet5", sequence of layers, callable or None, default=None
    A whole architecture instead of the knobs from `filters` to `conv_dropout`: a
    name, a sequence of :mod:`skcnn.layers` (the closing dense layer is added), or a
    callable ``(input_shape, n_outputs) -> torch.nn.Module`` that is given
    ``(n_channels, *spatial)`` and returns a module from (n_samples, n_channels,
    *spatial) float32 to (n_samples, n_outputs) logits.
""".strip("\n")

CLASSIFIER_LOSS = """
loss : {"cross_entropy", "squared_error"}, default="cross_entropy"
    What training minimises: the negative log-likelihood, or the squared error of the
    probabilities (the Brier score). Multilabel targets use sigmoids, others softmax.
label_smoothing : float, default=0.0
    Share of the target probability spread evenly over the classes, in [0, 1).
""".strip("\n")

REGRESSOR_LOSS = """
loss : {"squared_error", "absolute_error", "huber"}, default="squared_error"
    What training minimises, on targets standardised to mean 0 and standard deviation
    1. Huber's changes from squared to absolute at one standard deviation.
""".strip("\n")

TRAINING = """
optimizer : {"adamw", "adam", "sgd", "muon", "rmsprop", "adagrad"}, default="adamw"
    Update rule. "muon" makes steps of orthogonal matrices for kernels and hidden dense
    layers and keeps their scale fixed, so that few large batches suffice; normalisation
    should follow them. All other parameters take adamw's steps.
learning_rate : "auto" or float, default="auto"
    Full learning rate, before `lr_schedule`. "auto" is 0.005 for adam and adamw, 0.05
    for sgd, 0.2 for muon, 0.001 for rmsprop, 0.01 for adagrad.
momentum : float, default=0.9
    Momentum of sgd, muon and rmsprop, in [0, 1).
nesterov : bool, default=True
    Whether the momentum of sgd and muon is Nesterov's.
weight_decay : "auto" or float, default="auto"
    L2 penalty on kernels and dense matrices (not on biases and normalisation): half
    its product with the squared weights is added to the loss; with adamw weights
    shrink by ``learning_rate * weight_decay`` a step instead. "auto" is 0.05 for adamw
    and muon, of which it takes the parameters that are not kernels, and 0.0001 for the
    others.
l1_penalty : float, default=0.0
    Factor of the sum of absolute weights that is added to the loss.
lr_schedule : {"one_cycle", "constant", "step", "cosine", "linear", "plateau", \
"inverse_scaling"}, default="one_cycle"
    Course of the learning rate. "one_cycle": linear from 4 % to full over the first
    quarter of the epochs, then a cosine to zero. "linear": from 4 % to full over the
    first twentieth, then straight to zero. "step": a tenth after half and again
    after three quarters. "plateau": a fifth after 5 epochs without a lower loss.
    "inverse_scaling": divided by the square root of the epoch.
batch_size : "auto", int or None, default="auto"
    Largest number of samples in a batch; an epoch is spread evenly over the batches.
    None is all samples at once. "auto" is a power of two near n_samples / 24, from 8
    to 128.
max_epochs : "auto" or int, default="auto"
    Passes over the training samples. "auto" makes about 24 * sqrt(n_samples) batches
    of the automatic batch size, within 10 and 60 epochs.
""".strip("\n")

CLASS_WEIGHT = """
class_weight : dict, "balanced" or None, default=None
    Weights of the classes, ``{label: weight}``; "balanced" weighs inversely to the
    classes' frequencies.
""".strip("\n")

CONTROL = """
augmentation : augmentation, callable, list of them or None, default=None
    Changes of the training samples, drawn afresh for every batch of every epoch:
    augmentations such as :class:`RandomRotation`, or callables from a float tensor
    (n_samples, n_channels, *spatial) to one of the same shape. They act after those in
    the Pipeline before the estimator. Validation samples are not augmented.
augmentation_strength : float, default=1.0
    Factor of all ranges of `augmentation` and of the augmentations in the Pipeline, so
    that one number can be tuned; 0 changes nothing. Callables do not know of it.
test_time_augmentation : "flip", list or None, default=None
    Views of a sample whose outputs (logits or numbers) are averaged with the sample's
    own in predictions: its mirror image, or one view for each entry of a list, an
    augmentation with a fixed range such as ``RandomRotation((5, 5))``, a deterministic
    callable, or a list of them for several changes at once. A view is the same in every
    call: an augmentation's `p` does not count, and what is random is drawn once.
standardize : bool, default=True
    Whether each channel is shifted and scaled to mean 0 and standard deviation 1 of
    the training samples (of the first batch in `partial_fit`).
gradient_clip : float or None, default=None
    Largest norm of the gradient.
early_stopping : bool, default=False
    Whether training stops when the validation score no longer rises, and the best
    weights are restored.
validation_fraction : float, default=0.1
    Share of the samples split off for early stopping when `fit` gets no `X_val`,
    stratified for classes.
n_iter_no_change : int, default=10
    Epochs without an improvement after which early stopping ends training.
tol : float, default=1e-4
    Smallest rise of the validation score that counts as an improvement.
warm_start : bool, default=False
    Whether `fit` goes on from the weights of the last call, with its architecture,
    optimizer and loss.
callbacks : list of skorch callbacks or None, default=None
    For users of skorch. Those with batch-level hooks bring skorch's slower loop.
    scikit-learn's callbacks are set with `set_callbacks`.
device : str, default="auto"
    "auto" takes CUDA, else MPS, else the CPU; or "cpu", "cuda", "cuda:1", "mps".
precision : {"auto", "float32", "bfloat16"}, default="auto"
    Arithmetic of training. "auto" is bfloat16 (weights kept in float32) where the
    processor multiplies it natively and the network is large enough to gain, except for
    volumes on the CPU.
    Predictions always use float32.
n_threads : int or None, default=None
    CPU threads. None takes one for small networks and what torch has otherwise. The
    same number gives the same bits, so set it to compare runs with different n_jobs.
compile : bool, default=False
    Whether training runs the network through ``torch.compile``.
random_state : int, RandomState instance or None, default=None
    Seed of weights, order of samples, dropout, validation split and augmentations
    without a seed of their own. None draws from the operating system. No global random
    state is read or moved.
verbose : int, default=0
    0 silent, 1 a progress bar, 2 a line an epoch.
""".strip("\n")

CLASSIFIER_PARAMETERS = "\n".join(
    (SHAPE_AND_ARCHITECTURE, CLASSIFIER_LOSS, TRAINING, CLASS_WEIGHT, CONTROL)
)
REGRESSOR_PARAMETERS = "\n".join((SHAPE_AND_ARCHITECTURE, REGRESSOR_LOSS, TRAINING, CONTROL))

ATTRIBUTES = """
n_features_in_ : int
    Number of values of a sample.
feature_names_in_ : ndarray of shape (n_features_in_,)
    Column names of `X`, where it had any that are strings.
input_shape_ : tuple of int
    Shape of a sample with its channel axis.
n_outputs_ : int
    Number of outputs of the network.
net_ : ConvNetEngine
    The skorch net; ``net_.module_`` is the torch module.
n_iter_ : int
    Epochs trained in all.
history_ : DataFrame
    Indexed by epoch, with the columns train_loss, valid_loss, valid_score (NaN
    without a validation set), learning_rate (of the last batch), seconds and
    samples_per_second.
best_epoch_ : int
    Epoch of the last call with the best validation score; without a validation set
    its last.
n_parameters_ : int
    Number of trainable parameters.
device_ : str
    Where the network was trained.
""".strip("\n")


def documented(parameters: str) -> Callable[[T], T]:
    """Return a class decorator that puts shared text into the class's docstring."""

    def fill(cls: T) -> T:
        if cls.__doc__:  # None under python -OO
            cls.__doc__ = cls.__doc__.replace(
                "    <parameters>", indent(parameters, "    ")
            ).replace("    <attributes>", indent(ATTRIBUTES, "    "))
        return cls

    return fill
