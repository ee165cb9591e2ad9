"""What each student may take of the time, memory and attention of a collection, so that nobody uses up the class's."""

from collections import Counter

from autograder.collecting.files import Parts, Unusable, place

MAX_OPENED = 500  # notebooks, zips and what stands beside them, of one student
MAX_BYTES = 256 * 2**20  # of them together, unpacked
MAX_PROBLEMS = 20


class Shares:
    """Files that were opened so far, by the folder, zip or file that stands for a student."""

    def __init__(self) -> None:
        self._opened: Counter[Parts] = Counter()
        self._read: Counter[Parts] = Counter()

    def open(self, owner: Parts) -> None:
        """Count a file.

        Raises:
            Unusable: there were too many, or they were too large together.
        """
        self._opened[owner] += 1
        if self._opened[owner] > MAX_OPENED:
            raise Unusable(f"was left out: at most {MAX_OPENED} files of one student are opened")
        if self._read[owner] > MAX_BYTES:
            raise Unusable(f"was left out: more than {MAX_BYTES // 2**20} MiB of one student were read")

    def read(self, owner: Parts, size: int) -> None:
        """Count bytes."""
        self._read[owner] += size


class Problems:
    """Sentences for the instructor, of each student a few and how many more there are."""

    def __init__(self) -> None:
        self._said: dict[str, None] = {}
        self._counts: Counter[Parts] = Counter()

    def __bool__(self) -> bool:
        return bool(self._said)

    def add(self, sentence: str, owner: Parts | None = None) -> None:
        """Say something of what a student handed in, or of the source."""
        if sentence in self._said:
            return
        if owner is not None:
            self._counts[owner] += 1
        if owner is None or self._counts[owner] <= MAX_PROBLEMS:
            self._said[sentence] = None

    def told(self) -> tuple[str, ...]:
        """All sentences."""
        more = {owner: count - MAX_PROBLEMS for owner, count in self._counts.items() if count > MAX_PROBLEMS}
        return (
            *self._said,
            *(f"{place(owner)} has {count} more such problems." for owner, count in more.items()),
        )
