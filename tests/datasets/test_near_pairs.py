"""Pairs of near hashes against all pairs, and the groups that links make."""

import tracemalloc

import numpy as np
import pytest

from skcnn.datasets import _near_pairs
from skcnn.datasets._near_pairs import Links, bit_counts, near_pairs


def clustered_hashes(n, seed=0):
    """Return random hashes, half of them with a few bits of another changed."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, n, dtype=np.uint64)
    for row in range(n // 2):
        flipped = rng.choice(64, rng.integers(0, 14), replace=False)
        other = int(hashes[rng.integers(0, n)])
        hashes[row] = np.uint64(other ^ sum(1 << int(bit) for bit in flipped))
    return hashes


def pairs_within(hashes, most_bits):
    distances = [[bin(int(a) ^ int(b)).count("1") for b in hashes] for a in hashes]
    first, second = np.nonzero(np.triu(np.array(distances) <= most_bits, 1))
    return {*zip(first.tolist(), second.tolist(), strict=True)}


@pytest.mark.parametrize("most_bits", range(12))
def test_all_near_pairs_are_found(most_bits):
    hashes = clustered_hashes(150, seed=most_bits)
    found = set()
    for first, second in near_pairs(hashes, most_bits):
        found |= {*zip(first.tolist(), second.tolist(), strict=True)}
    assert found == pairs_within(hashes, most_bits)


def test_small_steps_find_the_same_pairs(monkeypatch):
    hashes = np.r_[clustered_hashes(60), np.zeros(20, np.uint64)]
    monkeypatch.setattr(_near_pairs, "MOST_CANDIDATES", 7)
    found = set()
    for first, second in near_pairs(hashes, 5):
        found |= {*zip(first.tolist(), second.tolist(), strict=True)}
    assert found == pairs_within(hashes, 5)


def test_bits_are_counted():
    words = np.array([0, 1, 2**64 - 1, 0xF0F0, 2**63], np.uint64)
    assert bit_counts(words).tolist() == [0, 1, 64, 8, 1]


def links_of(n_rows, *links):
    made = Links(n_rows)
    for link in links:
        made.add(*(np.array([each]) for each in link))
    return [part.tolist() for part in made.trees()]


def test_trees_begin_at_the_first_row_of_each_group():
    parents, rows, distances, roots = links_of(9, (5, 8, 1), (2, 8, 3), (3, 4, 0))
    assert list(zip(parents, rows, distances, roots, strict=True)) == [
        (8, 5, 1, 2),
        (2, 8, 3, 2),
        (3, 4, 0, 3),
    ]


def test_the_shortest_links_of_a_group_are_kept():
    parents, rows, distances, _ = links_of(3, (0, 1, 5), (1, 2, 1), (0, 2, 2), (0, 1, 5))
    assert list(zip(parents, rows, distances, strict=True)) == [(2, 1, 1), (0, 2, 2)]


def test_no_links():
    assert links_of(3) == [[], [], [], []]
    assert [len(part) for part in Links(3).trees()] == [0, 0, 0, 0]
    empty = np.empty(0, int)
    made = Links(3)
    made.add(empty, empty, empty)
    assert [len(part) for part in made.trees()] == [0, 0, 0, 0]


def test_dropping_links_changes_nothing_and_bounds_the_memory(monkeypatch):
    rng = np.random.default_rng(0)
    first = rng.integers(0, 300, 5000)
    second = first + rng.integers(1, 100, 5000)
    distances = rng.permutation(5000)  # all different: one forest is the shortest
    whole = Links(400)
    whole.add(first, second, distances)
    monkeypatch.setattr(_near_pairs, "MOST_LINKS", 50)
    parts = Links(400)
    for part in np.array_split(np.arange(5000), 40):
        parts.add(first[part], second[part], distances[part])
        assert parts._n_kept <= 50 + 400 + 125
    for one, other in zip(whole.trees(), parts.trees(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_memory_is_bounded_where_all_hashes_are_near():
    hashes = np.zeros(4_000, np.uint64)  # 8 million pairs
    links = Links(len(hashes))
    tracemalloc.start()
    for first, second in near_pairs(hashes, 0):
        links.add(first, second, np.zeros(len(first), np.uint64))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**28
    assert len(links.trees()[0]) == len(hashes) - 1
