"""Keras 3 on TensorFlow or JAX, with NumPy arrays and ``model.fit``, its usual way."""

import functools
import os
import time

import numpy as np
from _nets import N_CLASSES, NETS
from _protocol import SETTINGS, clocked, load, median_seconds, serve

BACKEND = SETTINGS["backend"]
os.environ.update(KERAS_BACKEND=BACKEND, TF_CPP_MIN_LOG_LEVEL="2", JAX_PLATFORMS="cpu")
os.environ["NPROC"] = str(SETTINGS["threads"])  # the size of XLA's pool
if BACKEND == "tensorflow":
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(SETTINGS["threads"])

import keras  # noqa: E402  (after its backend is chosen)
from keras import layers  # noqa: E402

TRACED_BATCHES = 2


def compiled(parts, shape, metrics=()):
    model = keras.Sequential([keras.Input(shape), *parts])
    optimizer = keras.optimizers.Adam(learning_rate=0.001)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=list(metrics))
    return model


def build(net):
    shape, parts = NETS[net]["shape"], []
    one_axis = len(shape) == 2
    conv = layers.Conv1D if one_axis else layers.Conv2D
    pooling = layers.MaxPooling1D if one_axis else layers.MaxPooling2D
    for filters, kernel, pool in NETS[net]["blocks"]:
        parts += [conv(filters, kernel, padding="same", activation="relu"), pooling(pool)]
    return compiled([*parts, layers.Flatten(), layers.Dense(N_CLASSES, "softmax")], shape)


def as_input(X, shape):
    return X.reshape(len(X), *shape).astype("float32") / 255


@functools.cache
def traced(net, batch):
    """Return a model whose training step of this batch size is compiled, and its weights."""
    model, n = build(net), TRACED_BATCHES * batch
    weights = model.get_weights()
    images = np.zeros((n, *NETS[net]["shape"]), np.float32)
    model.fit(images, np.zeros(n, np.int64), batch_size=batch, verbose=0)
    return model, weights


def fit(data, net, batch, epochs, samples=None):
    X, y = load(data, samples)
    model, weights = traced(net, batch)

    def work():
        model.set_weights(weights)
        images = as_input(X, NETS[net]["shape"])
        model.fit(images, y, batch_size=batch, epochs=epochs, verbose=0)

    return {"seconds": clocked(work), "samples": len(X)}


@functools.cache
def model_of(net):
    return build(net)


def predict(data, net, batch):
    X, model = load(data)[0], model_of(net)
    work = lambda: model.predict(as_input(X, NETS[net]["shape"]), batch, verbose=0)  # noqa: E731
    return {"seconds": clocked(work), "samples": len(X)}


def predict_one(data, net, how, repeats):
    """Time ``predict``, or the call of the model that Keras recommends for few samples."""
    X, model = load(data)[0][:1], model_of(net)
    images = as_input(X, NETS[net]["shape"])
    if how == "predict":
        return {"seconds": median_seconds(lambda: model.predict(images, verbose=0), repeats)}
    call = lambda: keras.ops.convert_to_numpy(model(images, training=False))  # noqa: E731
    return {"seconds": median_seconds(call, repeats)}


class StopAt(keras.callbacks.Callback):
    """End the training once the test accuracy is good; the evaluation's time is not counted."""

    def __init__(self, images, labels, goal):
        super().__init__()
        self.test, self.goal, self.uncounted = (images, labels), goal, 0.0
        self.accuracies, self.ends = [], []

    def on_epoch_end(self, epoch, logs=None):
        start = time.perf_counter()
        self.ends.append(start - self.uncounted)
        accuracy = self.model.evaluate(*self.test, batch_size=512, verbose=0)[1]
        self.accuracies.append(accuracy)
        self.model.stop_training = accuracy >= self.goal
        self.uncounted += time.perf_counter() - start


def accuracy(data, batch, epochs, seed, goal):
    """Train Keras's own MNIST example from a cold start until the goal is reached."""
    X, y, X_test, y_test = load(data)
    keras.utils.set_random_seed(seed)
    shape = NETS["mnist"]["shape"]
    watch = StopAt(as_input(X_test, shape), y_test, goal)
    start = time.perf_counter()
    parts = []
    for filters in (32, 64):
        parts += [layers.Conv2D(filters, 3, activation="relu"), layers.MaxPooling2D(2)]
    parts += [layers.Flatten(), layers.Dropout(0.5), layers.Dense(N_CLASSES, "softmax")]
    model = compiled(parts, shape, ["accuracy"])
    images = as_input(X, shape)
    model.fit(images, y, batch_size=batch, epochs=epochs, verbose=0, callbacks=[watch])
    return {
        "seconds": watch.ends[-1] - start, "accuracy": watch.accuracies[-1],
        "epochs": len(watch.ends), "accuracies": watch.accuracies,
        "ends": [end - start for end in watch.ends],
    }  # fmt: skip


TASKS = {"fit": fit, "predict": predict, "predict_one": predict_one, "accuracy": accuracy}
PACKAGES = {"tensorflow": ("tensorflow_cpu", "keras"), "jax": ("jax", "keras")}

if __name__ == "__main__":
    serve(TASKS, PACKAGES[BACKEND])
