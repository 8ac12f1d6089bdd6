"""Results as xarray's datasets and pandas' tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

START = "start"  # the dimension of a vector α's entries


def axes(shape: tuple[int, ...]) -> list[str]:
    """The names of a problem's axes."""
    return [f"axis_{i}" for i in range(len(shape))]


def frame(data: xr.Dataset) -> pd.DataFrame:
    """One row per point of the dataset; what has an entry per start has a column for each: `alpha_0`, `alpha_1` …."""
    split = [name for name, variable in data.variables.items() if START in variable.dims]
    columns = {f"{n}_{k}": data.variables[n].isel({START: k}) for n in split for k in range(data.sizes[START])}
    data = data.drop_vars(split).assign(columns)
    if not data.sizes:
        return data.expand_dims("row").to_dataframe().reset_index(drop=True)
    return data.to_dataframe().reset_index()
