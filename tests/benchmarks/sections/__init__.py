"""What is measured: each section is a function from a bench to tables."""

from sections.accuracy import time_to_accuracy
from sections.cifar import cifar
from sections.gpu import gpu
from sections.growth import growth
from sections.limit import share_of_limit
from sections.memory import memory
from sections.prediction import prediction
from sections.small import small_data
from sections.throughput import throughput

SECTIONS = {
    "throughput": throughput,
    "limit": share_of_limit,
    "accuracy": time_to_accuracy,
    "small": small_data,
    "prediction": prediction,
    "memory": memory,
    "growth": growth,
    "cifar": cifar,
    "gpu": gpu,
}
