"""What a netCDF file can hold, asked before the work that is to go into it."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from .grid import Grid

if TYPE_CHECKING:
    import xarray

FORMAT: dict[str, Any] = {"engine": "scipy", "format": "NETCDF3_64BIT"}
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .+@-]*")
LARGEST_INT32 = 2**31 - 1  # netCDF 3 knows no longer integers


def to_bytes(dataset: xarray.Dataset) -> bytes:
    return bytes(dataset.to_netcdf(None, **FORMAT))


def number(value: Any) -> Any:
    """A whole number as a double where there is no room for it."""
    return float(value) if isinstance(value, int) and abs(value) > LARGEST_INT32 else value


def integers(values: np.ndarray) -> np.ndarray:
    """Whole numbers as such where there is room for them, else as doubles."""
    return values.astype(np.int32) if np.max(np.abs(values), initial=0) <= LARGEST_INT32 else values.astype(np.float64)


def fitting(values: np.ndarray) -> np.ndarray:
    """Labels in a type that there is room for."""
    return integers(values) if values.dtype.kind in "iu" else values


def check_names(layout: Grid, taken: tuple[str, ...]) -> None:
    """ValueError for the first dimension, name or label of a grid that cannot be written and read back the same."""
    import xarray

    for name in (*layout.dims, *layout.alpha_dims, *layout.coords):
        if name in taken:
            raise ValueError(
                f"dimension or label {name!r} must have another name: the result has a variable or a dimension of this one. Rename it."
            )
        if not NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} must be a name that netCDF can hold, got a character that is not plain. {_REMEDY}"
            )
    sizes = dict(zip((*layout.dims, *layout.alpha_dims), layout.shape, strict=True))
    lone = {d: ((d,), np.zeros(size)) for d, size in sizes.items() if d not in layout.coords}
    for name, (dims, values) in (lone | layout.coords).items():
        try:
            probe = xarray.Dataset({"probe": (dims, np.zeros(values.shape))}, {name: (dims, fitting(values))})
            with xarray.open_dataset(io.BytesIO(to_bytes(probe)), engine="scipy") as read:
                same = read.load().identical(probe) and np.array_equal(fitting(values).astype(values.dtype), values)
        except Exception as error:  # whatever it is that xarray, scipy or the format say
            raise ValueError(
                f"{name!r} must be a name with labels that netCDF can hold, got {_show(values)}: {error}. {_REMEDY}"
            ) from error
        if not same:
            raise ValueError(
                f"{name!r} must have labels that netCDF gives back as they were, got {_show(values)}. {_REMEDY}"
            )


_REMEDY = "Name it in plain letters and digits, and give labels as numbers or text."


def _show(values: np.ndarray) -> str:
    return f"{values.dtype} {values.ravel()[0]!r:.40} …" if values.size else "no values"
