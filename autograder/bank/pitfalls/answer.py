"""What a grader gave for a row."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """What came of a row.

    Attributes:
        points: of the submission; of several copies the least.
        seconds: wall time of grading it.
        manual: whether a person is still asked to grade it.
        stopped: how many correct submissions behind it in the batch were not graded.
        leaked: whether the submission got hold of a hidden test.
        failed: whether the grader reported an error of its own.
    """

    points: float
    seconds: float
    manual: bool = False
    stopped: int = 0
    leaked: bool = False
    failed: bool = False

    @property
    def remarks(self) -> list[str]:
        """What is to be said beside the points."""
        said = {
            "a person is asked to grade it": self.manual,
            f"{self.stopped} later submissions not graded": self.stopped > 0,
            "a hidden test was read": self.leaked,
            "the grader reports an error": self.failed,
        }
        return [words for words, holds in said.items() if holds]
