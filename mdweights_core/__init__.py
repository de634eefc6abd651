"""mdweights: frame weights for MD ensembles from diffuse-scattering maps.

All science and all files; no Qt. Importing this package is cheap: JAX is loaded by the modules that compute.
"""

import os
import sys

__version__ = "0.1.0"


def _set_precision() -> None:
    """Make 64-bit floats available to JAX, once, before any array exists.

    Big arrays are float32 by explicit dtype; sums are float64. The environment variable is enough when JAX is not
    loaded yet (the usual case), so that ``mdweights --help`` and the window start without paying for the import.
    """
    os.environ["JAX_ENABLE_X64"] = "1"
    # Graphics cards would round the factors of float32 products to 10 bits (TF32).
    os.environ["JAX_DEFAULT_MATMUL_PRECISION"] = "highest"
    # The window's GL views and JAX may share one card: do not take most of its memory at first use.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if "jax" in sys.modules:
        sys.modules["jax"].config.update("jax_enable_x64", True)
        sys.modules["jax"].config.update("jax_default_matmul_precision", "highest")


_set_precision()
