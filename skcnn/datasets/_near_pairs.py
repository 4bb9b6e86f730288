"""Pairs of hashes that differ in few bits, and the groups that pairs make."""

from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

N_QUARTERS = 4
QUARTER_BITS = 16
MOST_BITS = 3 * N_QUARTERS - 1  # two bits of a quarter are looked up
MOST_CANDIDATES = 2**20  # looked at in one step
MOST_LINKS = 2**19  # kept before all but the needed ones are dropped


def near_pairs(hashes: np.ndarray, most_bits: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield pairs of rows whose hashes differ in at most `most_bits` bits, some repeatedly.

    If two hashes of 64 bits differ in at most t bits, one of their four quarters differs in at
    most t // 4 bits. So the rows are sorted by each quarter, and those with the same quarter, or
    one with a bit changed, are looked up. The time grows with the number of rows and of pairs with
    a similar quarter, the memory with the number of rows.

    Parameters
    ----------
    hashes : ndarray of shape (n_rows,), dtype uint64
        The hashes.
    most_bits : int
        From 0 to 11.

    Yields
    ------
    first, second : ndarray of shape (n_pairs,)
        Rows, ``first < second``.
    """
    changes = [
        np.uint16(sum(1 << bit for bit in bits))
        for n in range(most_bits // N_QUARTERS + 1)
        for bits in combinations(range(QUARTER_BITS), n)
    ]
    for quarter in range(N_QUARTERS):
        keys = hashes.view(np.uint16).reshape(-1, N_QUARTERS)[:, quarter]
        order = np.argsort(keys, kind="stable")
        starts = np.searchsorted(keys[order], np.arange(2**QUARTER_BITS + 1))
        for change in changes:
            wanted = (keys ^ change).astype(np.intp)
            for first, places in _ranges(starts[wanted], starts[wanted + 1]):
                second = order[places]
                near = (first < second) & (bit_counts(hashes[first] ^ hashes[second]) <= most_bits)
                yield first[near], second[near]


def _ranges(start: np.ndarray, stop: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows and the numbers of their ranges, in steps of bounded size."""
    ends = np.cumsum(stop - start)
    done, row = 0, 0
    while row < len(start):
        # one row at least: a range has at most as many numbers as there are rows
        next_row = max(int(np.searchsorted(ends, done + MOST_CANDIDATES, "right")), row + 1)
        counts = stop[row:next_row] - start[row:next_row]
        rows = np.repeat(np.arange(row, next_row), counts)
        before = np.repeat(np.cumsum(counts) - counts, counts)
        yield rows, np.arange(len(rows)) - before + np.repeat(start[row:next_row], counts)
        done, row = int(ends[next_row - 1]), next_row


def bit_counts(words: np.ndarray) -> np.ndarray:
    """Return the number of bits of 64-bit words, as numpy.bitwise_count does since NumPy 2."""
    words = words - ((words >> np.uint64(1)) & np.uint64(0x5555555555555555))
    two = np.uint64(0x3333333333333333)
    words = (words & two) + ((words >> np.uint64(2)) & two)
    words = (words + (words >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (words * np.uint64(0x0101010101010101)) >> np.uint64(56)


class Links:
    """Pairs of rows with distances, of which those that hold groups together are kept.

    They are a minimum spanning forest: whether two rows are in a group, and the shortest links of
    each group, do not change if the others are dropped. So the memory is bounded.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    """

    def __init__(self, n_rows: int) -> None:
        self._n_rows = n_rows
        self._parts: list[np.ndarray] = []
        self._n_kept = 0

    def add(self, first: np.ndarray, second: np.ndarray, distances: np.ndarray) -> None:
        """Add pairs, ``first < second``; a pair may come repeatedly."""
        self._parts.append(np.stack([first, second, distances]).astype(np.int64))
        self._n_kept += len(first)
        if self._n_kept > MOST_LINKS + self._n_rows:
            self._reduce()

    def _reduce(self) -> np.ndarray:
        """Return the forest as a sparse array of distances plus one."""
        links = np.concatenate(self._parts, axis=1)
        links = links[:, np.argsort(links[2], kind="stable")]  # of repeated pairs the nearest
        _, kept = np.unique(links[0] * self._n_rows + links[1], return_index=True)
        first, second, distances = links[:, kept]
        shape = (self._n_rows, self._n_rows)
        graph = coo_array((distances + 1.0, (first, second)), shape)  # zero is no link
        forest = minimum_spanning_tree(graph.tocsr()).tocoo()
        ends = np.sort(np.stack([forest.row, forest.col]), axis=0)
        self._parts = [np.vstack([ends, forest.data - 1]).astype(np.int64)]
        self._n_kept = len(forest.data)
        return self._parts[0]

    def trees(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return each group as a tree that begins at its first row.

        Returns
        -------
        parents, rows, distances, roots : ndarray of shape (n_links,)
            For each row of a group but its first: the row that it is linked to, itself, their
            distance, and the first row of the group. Sorted by `roots`, then by `rows`.
        """
        n = self._n_rows
        if not self._parts:
            none = np.empty(0, np.int64)
            return none, none, none, none
        first, second, distances = self._reduce()
        links = coo_array((np.ones(len(first)), (first, second)), (n, n))
        _, labels = connected_components(links, directed=False)
        _, firsts = np.unique(labels, return_index=True)
        # one more row is linked to the first of each group, so that one walk meets all
        starts = np.full(len(firsts), n)
        edges = np.concatenate([first, firsts]), np.concatenate([second, starts])
        graph = coo_array((np.ones(len(edges[0])), edges), (n + 1, n + 1)).tocsr()
        _, parents = breadth_first_order(graph, n, directed=False)
        rows = np.flatnonzero(parents[:n] != n)
        roots = firsts[labels[rows]]
        order = np.lexsort([rows, roots])
        rows, roots = rows[order], roots[order]
        above = parents[rows].astype(np.int64)
        names, by_name = first * n + second, np.argsort(first * n + second)
        wanted = np.minimum(above, rows) * n + np.maximum(above, rows)
        places = by_name[np.searchsorted(names[by_name], wanted)]
        return above, rows, distances[places], roots


def linked(
    hashes: np.ndarray, most_bits: int, confirm: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield the pairs of `near_pairs` that `confirm` returns True for, and their distances."""
    for first, second in near_pairs(hashes, most_bits):
        good = confirm(first, second)
        first, second = first[good], second[good]
        yield first, second, bit_counts(hashes[first] ^ hashes[second])
