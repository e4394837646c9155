"""A safetensors file, whose header is checked before any of its tensors is looked at.

    8 bytes: length of the header, little-endian | the header, JSON | the tensors' bytes

The header gives each tensor its dtype, shape and place:
``{"lm_head.weight": {"dtype": "F32", "shape": [280, 8], "data_offsets": [0, 8960]}, ...}``. Every
shape is known from the model's configuration, so the whole file is known but for the order of the
tensors and the free texts under ``__metadata__``.

Source: https://huggingface.co/docs/safetensors, "Format".
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from tinyllama_np.ops import FloatArray
from tinyllama_np.safe_files import UnsafeFileError, parse_json_object, shown

ITEM_SIZES = {"F16": 2, "F32": 4, "F64": 8}
METADATA = "__metadata__"
LARGEST_METADATA = 1 << 20  # bytes; the library's own writes {"format": "pt"}
LARGEST_HEADER = 16 << 20  # bytes, of some 100,000 tensors
SHORTEST_ENTRY, LONGEST_ENTRY = 40, 512  # bytes of one tensor in the header; ours take about 120


def largest_file(tensors: int, values: int, item_size: int = 4) -> int:
    """Bytes of the largest file of so many tensors that hold so many values."""
    return 8 + LARGEST_METADATA + LONGEST_ENTRY * tensors + item_size * values


def read_header(data: bytes | bytearray, tensors: int) -> tuple[dict[str, Any], int]:
    """The header of the content of a file of `tensors` tensors, and how many bytes follow it.

    Its length is compared with the file's and with that number before it is parsed.

    Raises
    ------
    UnsafeFileError
        If there is no such header.
    """
    size, length = len(data), int.from_bytes(data[:8], "little")
    if size < 8 or length > size - 8:
        raise UnsafeFileError(
            f"it has {size:,} bytes and says that its header takes {length:,} of them"
        )
    most = min(LARGEST_HEADER, LARGEST_METADATA + LONGEST_ENTRY * tensors)
    if not SHORTEST_ENTRY * tensors <= length <= most:
        raise UnsafeFileError(
            f"its header takes {length:,} bytes, which cannot be that of the {tensors:,} "
            "tensors that the configuration asks for"
        )
    return parse_json_object(data[8 : 8 + length]), size - 8 - length


def tensors_in(data: bytearray, header: Mapping[str, Any]) -> dict[str, FloatArray]:
    """The tensors of a file's content, by a header that was checked.

    They lie in `data` itself; only one that is not aligned there, or of a machine with the other
    order of bytes, is copied.
    """
    start = len(data) - max(entry["data_offsets"][1] for entry in _entries(header).values())
    found = {}
    for name, entry in _entries(header).items():
        dtype = np.dtype(f"f{ITEM_SIZES[entry['dtype']]}")
        array = np.frombuffer(
            data,
            dtype.newbyteorder("<"),
            count=math.prod(entry["shape"]),
            offset=start + entry["data_offsets"][0],
        )
        found[name] = np.require(array.reshape(entry["shape"]), dtype, ["ALIGNED", "WRITEABLE"])
    return found


def check_header(
    header: Mapping[str, Any],
    data_size: int,
    shapes: Mapping[str, tuple[int, ...]],
    dtypes: Collection[str] = ("F32",),
) -> None:
    """Refuse a header of anything but tensors of these names, these shapes and one of the dtypes.

    Raises
    ------
    UnsafeFileError
        With what differs; also if the tensors' places leave gaps, overlap or miss the file's end.
    """
    entries = _entries(header)
    metadata = header.get(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise UnsafeFileError(f"its {METADATA} is {shown(metadata)}; expected texts by name")
    for name in shapes:
        if name not in entries:
            raise UnsafeFileError(f"it lacks {name}, which the configuration asks for")
    places = []
    for name, entry in entries.items():
        if name not in shapes:
            raise UnsafeFileError(f"it has {shown(name)}, which the configuration does not know")
        places.append((*_place(name, entry, shapes[name], dtypes), name))
    found = {entry["dtype"] for entry in entries.values()}
    if len(found) > 1:
        raise UnsafeFileError(f"its tensors are {' and '.join(sorted(found))}; expected one dtype")
    end = 0
    for first, last, name in sorted(places):
        if first != end:
            raise UnsafeFileError(f"{name} begins at byte {first:,} of the data, expected {end:,}")
        end = last
    if data_size != end:
        raise UnsafeFileError(f"its tensors take {end:,} bytes and {data_size:,} are there")


def _entries(header: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the tensors."""
    return {name: entry for name, entry in header.items() if name != METADATA}


def _place(
    name: str, entry: Any, shape: tuple[int, ...], dtypes: Collection[str]
) -> tuple[int, int]:
    """Where the tensor begins and ends; its entry says what it must."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise UnsafeFileError(
            f"{name} is {shown(entry)}; expected a dtype, a shape and data_offsets"
        )
    dtype, offsets = entry["dtype"], entry["data_offsets"]
    if dtype not in dtypes:
        raise UnsafeFileError(f"{name} has dtype {shown(dtype)}; expected {' or '.join(dtypes)}")
    if not _are_whole(entry["shape"]) or tuple(entry["shape"]) != shape:
        raise UnsafeFileError(
            f"{name} has shape {shown(entry['shape'])}; the configuration asks for {list(shape)}"
        )
    size = ITEM_SIZES[dtype] * math.prod(shape)
    if not _are_whole(offsets) or len(offsets) != 2 or offsets[1] - offsets[0] != size:
        raise UnsafeFileError(
            f"{name} has data_offsets {shown(offsets)}; expected a begin and an end {size:,} apart"
        )
    return offsets[0], offsets[1]


def _are_whole(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)
