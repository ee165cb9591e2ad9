"""Jobs on their way to a worker and outcomes on their way back: data alone, never a pickled object of a student."""

import dataclasses
from typing import Any

import msgpack

from autograder.job import Cell, Job, Limits


def pack(job: Job) -> bytes:
    """A job as bytes."""
    fields = {one.name: getattr(job, one.name) for one in dataclasses.fields(job)}
    fields["cells"] = [dataclasses.asdict(cell) for cell in job.cells]
    fields["limits"] = dataclasses.asdict(job.limits)
    fields["data"] = dict(job.data)
    packed: bytes = msgpack.packb(fields, use_bin_type=True)
    return packed


def unpack(payload: bytes) -> Job:
    """The job that `pack` wrote.

    Raises:
        ValueError: the bytes are something else.
    """
    try:
        fields: dict[str, Any] = msgpack.unpackb(payload, raw=False)
        fields["cells"] = tuple(Cell(**cell) for cell in fields["cells"])
        fields["limits"] = Limits(**fields["limits"])
        fields["forbidden"] = tuple(fields["forbidden"])
        return Job(**fields)
    except (TypeError, KeyError, ValueError, msgpack.UnpackException) as error:
        raise ValueError(f"this is no job: {error}") from error
