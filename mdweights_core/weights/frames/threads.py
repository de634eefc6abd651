"""BLAS on one thread: its own would wait for cores that XLA's threads, or several calls side by side, keep busy."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

import scipy.linalg  # noqa: F401  (brings a BLAS of its own, which must be there to be found)
from threadpoolctl import ThreadpoolController


@cache
def _libraries() -> ThreadpoolController:
    """Looked for once: it takes milliseconds."""
    return ThreadpoolController()


def one_blas_thread() -> AbstractContextManager[object]:
    """While it lasts, products and factorisations of NumPy and SciPy take one thread."""
    limit: AbstractContextManager[object] = _libraries().limit(limits=1, user_api="blas")
    return limit
