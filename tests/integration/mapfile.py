"""Reads a map's text as `scripts/lab up` reads a file."""

import pytest

from rflab import graphfile
from rflab.system import LabError


def load(tmp_path, text, name="map.gml"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return graphfile.load(path)


def refusal(tmp_path, text, name="map.gml"):
    with pytest.raises(LabError) as error:
        load(tmp_path, text, name)
    return str(error.value).removeprefix(f"{tmp_path}/")
