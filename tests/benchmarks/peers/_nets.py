"""The measured networks as plain data, which every worker builds with its own library.

Blocks are (filters, kernel, pool): convolution of the same size, ReLU, maximum pool; a dense
layer of ten outputs closes.
"""

N_CLASSES = 10
NETS = {
    "mnist": {"shape": (28, 28, 1), "blocks": ((32, 3, 2), (64, 3, 2))},
    "colour": {"shape": (32, 32, 3), "blocks": ((32, 3, 2), (64, 3, 2))},
    "colour-3": {"shape": (32, 32, 3), "blocks": ((32, 3, 2), (64, 3, 2), (128, 3, 2))},
    "signal": {"shape": (1000, 1), "blocks": ((32, 5, 4), (64, 5, 4))},
    "digits": {"shape": (8, 8, 1), "blocks": ((32, 3, 2), (64, 3, 2))},
}


def shapes(net):
    """Return the (spatial size, channels) before each block and after the last."""
    *size, channels = NETS[net]["shape"]
    result = [(tuple(size), channels)]
    for filters, _, pool in NETS[net]["blocks"]:
        size = [length // pool for length in size]
        result.append((tuple(size), filters))
    return result


def n_values(size, channels):
    """Return the number of values of feature maps."""
    product = channels
    for length in size:
        product *= length
    return product


def layer_macs(net):
    """Return the multiply-accumulates of each layer's forward pass, one sample."""
    along = shapes(net)
    macs = [
        n_values(size, channels) * filters * kernel ** len(size)
        for (size, channels), (filters, kernel, _) in zip(along, NETS[net]["blocks"], strict=False)
    ]
    return [*macs, n_values(*along[-1]) * N_CLASSES]


def training_macs(net):
    """Return the multiply-accumulates of a training step, one sample.

    Outputs and gradients of the weights in all layers, gradients of the inputs in all but
    the first, whose input is the data.
    """
    macs = layer_macs(net)
    return 3 * sum(macs) - macs[0]
