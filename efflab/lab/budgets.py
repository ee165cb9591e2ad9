"""What each lab may cost its student: the one table that notebooks and the start page read."""

from dataclasses import dataclass

from efflab.errors import EfflabError


@dataclass(frozen=True)
class Budget:
    """A lab's budget.

    Attributes:
        reading_minutes: to read, think and write, roughly.
        machine_seconds: at most, for the solved notebook from top to bottom on two cores.
        download_bytes: what it fetches beyond the package.
    """

    reading_minutes: int
    machine_seconds: int = 60
    download_bytes: int = 0

    def __str__(self) -> str:
        download = f"{self.download_bytes / 1e6:.0f} MB" if self.download_bytes else "nothing"
        return (
            f"about {self.reading_minutes} minutes of reading and writing, at most {self.machine_seconds} s of machine "
            f"time on two cores, {download} to download"
        )


BUDGETS = {
    "00-measuring": Budget(reading_minutes=90),
    "01-pruning": Budget(reading_minutes=150),
    "02-quantization": Budget(reading_minutes=150),
    "03-huffman": Budget(reading_minutes=150),
    "08-eie": Budget(reading_minutes=150),
    "09-ese": Budget(reading_minutes=150),
}


def budget(lab: str) -> Budget:
    """The budget of a lab.

    Raises:
        EfflabError: there is no such lab.
    """
    if lab not in BUDGETS:
        raise EfflabError(f"no lab is called {lab!r}; the labs are {', '.join(BUDGETS)}")
    return BUDGETS[lab]
