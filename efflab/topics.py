"""The topics in course order: the one list that commands, start page and README read."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """A topic of the course.

    Attributes:
        number: its place in the course; labs are called ``NN-name``.
        name: its name on every floor of the repository.
        title: its name in prose.
        paper: where the method was published, as the book cites it.
        module: the package module that implements it, or an empty string while it is planned.
        part: the part of the book, named by the bandwidth that the method saves.
    """

    number: int
    name: str
    title: str
    paper: str
    part: str
    module: str = ""

    @property
    def lab(self) -> str:
        """Folder of the lab below ``labs/`` and ``solutions/``."""
        return f"{self.number:02d}-{self.name}"

    @property
    def ready(self) -> bool:
        """Whether the whole column exists: module, chapter, lab, checks, results."""
        return bool(self.module)


_MEMORY, _NETWORK, _ENGINEER = "memory bandwidth", "network bandwidth", "engineer bandwidth"

TOPICS = (
    Topic(
        0,
        "measuring",
        "Measuring",
        "Horowitz, ISSCC 2014; Williams et al., CACM 2009",
        _MEMORY,
        "efflab.measure",
    ),
    Topic(1, "pruning", "Pruning", "Han et al., NIPS 2015", _MEMORY, "efflab.pruning"),
    Topic(2, "quantization", "Trained quantization", "Han et al., ICLR 2016", _MEMORY, "efflab.quantization"),
    Topic(
        3,
        "huffman",
        "Huffman coding and Deep Compression",
        "Han et al., ICLR 2016",
        _MEMORY,
        "efflab.huffman",
    ),
    Topic(4, "dsd", "Dense-sparse-dense training", "Han et al., ICLR 2017", _MEMORY),
    Topic(5, "ttq", "Trained ternary quantization", "Zhu et al., ICLR 2017", _MEMORY),
    Topic(6, "squeezenet", "SqueezeNet", "Iandola et al., 2016", _MEMORY),
    Topic(7, "winograd", "Sparse Winograd convolution", "Liu et al., ICLR 2018", _MEMORY),
    Topic(8, "eie", "EIE, the efficient inference engine", "Han et al., ISCA 2016", _MEMORY, "efflab.eie"),
    Topic(9, "ese", "ESE, the sparse LSTM engine", "Han et al., FPGA 2017", _MEMORY, "efflab.ese"),
    Topic(10, "dgc", "Deep Gradient Compression", "Lin et al., ICLR 2018", _NETWORK),
    Topic(11, "amc", "AutoML for model compression", "He et al., ECCV 2018", _ENGINEER),
    Topic(12, "path_level", "Path-level network transformation", "Cai et al., ICML 2018", _ENGINEER),
    Topic(13, "codesign", "Codesign, the capstone", "", _ENGINEER),
)


def get(name: str) -> Topic:
    """The topic called ``name`` (``"pruning"``, ``"01-pruning"`` or ``"1"``).

    Raises:
        EfflabError: no topic is called so.
    """
    from efflab.errors import EfflabError  # noqa: PLC0415 - the list itself needs nothing

    for topic in TOPICS:
        if name in {topic.name, topic.lab, str(topic.number), f"{topic.number:02d}"}:
            return topic
    known = ", ".join(topic.name for topic in TOPICS)
    raise EfflabError(f"no topic is called {name!r}; the topics are {known}")
