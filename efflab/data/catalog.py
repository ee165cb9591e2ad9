"""The data sets as one table: files with their checksums and addresses, licences, citations, splits.

Nothing heavy is imported here, so that the command line can list the data sets at once. The book's page on data sets
is held equal to this table by a test.
"""

from collections.abc import Mapping

from efflab.data.info import Archive, File, Info
from efflab.errors import DataError

_TEN_DIGITS = tuple("0123456789")


def _idx(folder: str, bases: tuple[str, ...], table: tuple[str, ...]) -> tuple[File, ...]:
    return tuple(
        File(f"{folder}/{name}", int(size), sha256, tuple(f"{base}/{name}" for base in bases))
        for name, size, sha256 in map(str.split, table)
    )


_DIGITS = Info(
    name="digits",
    title="Optical Recognition of Handwritten Digits (test part)",
    task="image classification, 10 classes, 8x8 grey",
    classes=_TEN_DIGITS,
    splits={"train": 1437, "test": 360},
    unit="images",
    licence="CC-BY-4.0",
    licence_url="https://creativecommons.org/licenses/by/4.0/",
    holder="Ethem Alpaydin and Cenk Kaynak",
    homepage="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
    citation=(
        "@misc{alpaydin1998optical, author = {Ethem Alpaydin and Cenk Kaynak}, title = {Optical Recognition of"
        " Handwritten Digits}, howpublished = {UCI Machine Learning Repository}, year = {1998},"
        " doi = {10.24432/C50P49}}"
    ),
    note=(
        "Embedded in the package, no download. The copy that scikit-learn ships under the BSD 3-clause licence;"
        " the split is ours, fixed and stratified."
    ),
)

_MNIST = Info(
    name="mnist",
    title="MNIST handwritten digits",
    task="image classification, 10 classes, 28x28 grey",
    classes=_TEN_DIGITS,
    splits={"train": 60000, "test": 10000},
    unit="images",
    licence="CC-BY-SA-3.0",
    licence_url="https://creativecommons.org/licenses/by-sa/3.0/",
    holder="Yann LeCun and Corinna Cortes (derived from NIST data)",
    homepage="http://yann.lecun.com/exdb/mnist/",
    citation=(
        "@article{lecun1998gradient, author = {Yann LeCun and L{\\'e}on Bottou and Yoshua Bengio and Patrick Haffner},"
        " title = {Gradient-based learning applied to document recognition}, journal = {Proceedings of the IEEE},"
        " volume = {86}, number = {11}, pages = {2278--2324}, year = {1998}}"
    ),
    files=_idx(
        "mnist",
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist",
            "https://storage.googleapis.com/cvdf-datasets/mnist",
        ),
        (
            "train-images-idx3-ubyte.gz 9912422 440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1-ubyte.gz 28881 3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3-ubyte.gz 1648877 8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1-ubyte.gz 4542 f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
    mean=(0.13066,),
    std=(0.308108,),
    note="The licence is the one stated in the Keras documentation of the data set.",
)

_FASHION_MNIST = Info(
    name="fashion-mnist",
    title="Fashion-MNIST",
    task="image classification, 10 classes, 28x28 grey",
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    splits={"train": 60000, "test": 10000},
    unit="images",
    licence="MIT",
    licence_url="https://github.com/zalandoresearch/fashion-mnist/blob/master/LICENSE",
    holder="Zalando SE",
    homepage="https://github.com/zalandoresearch/fashion-mnist",
    citation=(
        "@misc{xiao2017fashion, author = {Han Xiao and Kashif Rasul and Roland Vollgraf}, title = {Fashion-MNIST:"
        " a Novel Image Dataset for Benchmarking Machine Learning Algorithms}, year = {2017},"
        " eprint = {1708.07747}, archivePrefix = {arXiv}}"
    ),
    files=_idx(
        "fashion-mnist",
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/b2617bb6d3ffa2e429640350f613e3291e10b141/data/fashion",
        ),
        (
            "train-images-idx3-ubyte.gz 26421880 3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "train-labels-idx1-ubyte.gz 29515 a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "t10k-images-idx3-ubyte.gz 4422102 346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "t10k-labels-idx1-ubyte.gz 5148 67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ),
    mean=(0.286041,),
    std=(0.353024,),
)


def _cifar(table: tuple[tuple[str, int, str], ...]) -> tuple[File, ...]:
    folder = "cifar-10-batches-py"
    return tuple(
        File(f"cifar-10/{folder}/{name}", size, sha256, member=f"{folder}/{name}")
        for name, size, sha256 in table
    )


_CIFAR_10 = Info(
    name="cifar-10",
    title="CIFAR-10 (python version)",
    task="image classification, 10 classes, 32x32 colour",
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    splits={"train": 50000, "test": 10000},
    unit="images",
    licence="none stated",
    licence_url="https://www.cs.toronto.edu/~kriz/cifar.html",
    holder="Alex Krizhevsky, Vinod Nair and Geoffrey Hinton",
    homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
    citation=(
        "@techreport{krizhevsky2009learning, author = {Alex Krizhevsky}, title = {Learning Multiple Layers of Features"
        " from Tiny Images}, institution = {University of Toronto}, year = {2009}}"
    ),
    files=_cifar(
        (
            ("data_batch_1", 31035704, "54636561a3ce25bd3e19253c6b0d8538147b0ae398331ac4a2d86c6d987368cd"),
            ("data_batch_2", 31035320, "766b2cef9fbc745cf056b3152224f7cf77163b330ea9a15f9392beb8b89bc5a8"),
            ("data_batch_3", 31035999, "0f00d98ebfb30b3ec0ad19f9756dc2630b89003e10525f5e148445e82aa6a1f9"),
            ("data_batch_4", 31035696, "3f7bb240661948b8f4d53e36ec720d8306f5668bd0071dcb4e6c947f78e9682b"),
            ("data_batch_5", 31035623, "d91802434d8376bbaeeadf58a737e3a1b12ac839077e931237e0dcd43adcb154"),
            ("test_batch", 31035526, "f53d8d457504f7cff4ea9e021afcf0e0ad8e24a91f3fc42091b8adef61157831"),
        )
    ),
    archive=Archive(
        "cifar-10-python.tar.gz",
        ("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
        170498071,
        "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    ),
    mean=(0.4914, 0.482158, 0.446531),
    std=(0.247032, 0.243485, 0.261588),
    note=(
        "No licence is stated: the authors offer the data for free download and ask users to cite the technical"
        " report. Whoever passes the data on should know this."
    ),
)

_SPOKEN_DIGITS = Info(
    name="spoken-digits",
    title="Free Spoken Digit Dataset v1.0.10",
    task="spoken digit recognition, 10 classes, 8 kHz",
    classes=_TEN_DIGITS,
    splits={"train": 2700, "test": 300},
    unit="recordings",
    licence="CC-BY-SA-4.0",
    licence_url="https://creativecommons.org/licenses/by-sa/4.0/",
    holder="Zohar Jackson and contributors",
    homepage="https://github.com/Jakobovski/free-spoken-digit-dataset",
    citation=(
        "@misc{jackson2018fsdd, author = {Zohar Jackson and C{\\'e}sar Souza and Jason Flaks and Yuxin Pan and"
        " Hereman Nicolas and Adhish Thite}, title = {Jakobovski/free-spoken-digit-dataset}, year = {2018},"
        " howpublished = {Zenodo}, doi = {10.5281/zenodo.1342401}}"
    ),
    files=(
        File(
            "fsdd/free-spoken-digit-dataset-1.0.10-recordings.tar",
            23429120,
            "419dc854432ddf7b9c75c8494211ddd8062fa1a0094c881b0ea1c1a5e70f39da",
            member="free-spoken-digit-dataset-1.0.10/recordings/",
            repacked="67c17314b9169ddb06969f67276463b8d7119481aac81dc10a8cfe1f389624eb",
        ),
    ),
    archive=Archive(
        "free-spoken-digit-dataset-1.0.10.tar.gz",
        ("https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.tar.gz",),
    ),
    note="The rule of the data set: a recording whose index is 0 to 4 is test, 5 to 49 train.",
)

_TINY_SHAKESPEARE = Info(
    name="tiny-shakespeare",
    title="Tiny Shakespeare",
    task="character-level language modelling",
    classes=(),
    splits={"train": 1003854, "validation": 55770, "test": 55770},
    unit="characters",
    licence="MIT",
    licence_url="https://github.com/karpathy/char-rnn#license",
    holder="Andrej Karpathy (the collection); the text is in the public domain",
    homepage="https://github.com/karpathy/char-rnn",
    citation=(
        "@misc{karpathy2015charrnn, author = {Andrej Karpathy}, title = {char-rnn}, year = {2015},"
        " howpublished = {\\url{https://github.com/karpathy/char-rnn}}}"
    ),
    files=(
        File(
            "tinyshakespeare/input.txt",
            1115394,
            "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            tuple(
                f"https://raw.githubusercontent.com/karpathy/char-rnn/{commit}/data/tinyshakespeare/input.txt"
                for commit in ("6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e", "master")
            ),
        ),
    ),
    note="There is no official split: ours is the first 90 % for training, then 5 % and 5 %.",
)


def _wikitext(table: tuple[tuple[str, int, str], ...]) -> tuple[File, ...]:
    base = (
        "https://raw.githubusercontent.com/pytorch/examples/77f55b912142e11fcfdf5b530231fb9c52f181e8"
        "/word_language_model/data/wikitext-2"
    )
    return tuple(
        File(path := f"wikitext-2/wiki.{split}.tokens", size, sha256, (f"{base}/{split}.txt",), member=path)
        for split, size, sha256 in table
    )


_WIKITEXT_2 = Info(
    name="wikitext-2",
    title="WikiText-2 (word level, v1)",
    task="word-level language modelling",
    classes=(),
    splits={"train": 2088628, "validation": 217646, "test": 245569},
    unit="tokens",
    licence="CC-BY-SA-3.0",
    licence_url="https://creativecommons.org/licenses/by-sa/3.0/",
    holder="Wikipedia contributors; compiled by Merity, Xiong, Bradbury and Socher (Salesforce Research)",
    homepage="https://huggingface.co/datasets/Salesforce/wikitext",
    citation=(
        "@misc{merity2016pointer, author = {Stephen Merity and Caiming Xiong and James Bradbury and Richard Socher},"
        " title = {Pointer Sentinel Mixture Models}, year = {2016}, eprint = {1609.07843}, archivePrefix = {arXiv}}"
    ),
    files=_wikitext(
        (
            ("train", 10797148, "9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f"),
            ("valid", 1121681, "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8"),
            ("test", 1256449, "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0"),
        )
    ),
    archive=Archive(
        "wikitext-2-v1.zip",
        (
            "https://wikitext.smerity.com/wikitext-2-v1.zip",
            "https://s3.amazonaws.com/research.metamind.io/wikitext/wikitext-2-v1.zip",
        ),
    ),
    note="One end-of-line token a line is counted; the text is from Wikipedia articles.",
)

CATALOG: Mapping[str, Info] = {
    info.name: info
    for info in (
        _DIGITS,
        _MNIST,
        _FASHION_MNIST,
        _CIFAR_10,
        _SPOKEN_DIGITS,
        _TINY_SHAKESPEARE,
        _WIKITEXT_2,
    )
}


def names() -> tuple[str, ...]:
    """Names of the data sets, the embedded one first.

    >>> names()[:2]
    ('digits', 'mnist')
    """
    return tuple(CATALOG)


def describe(name: str) -> Info:
    """What there is to know about a data set: title, size, licence, citation, addresses, classes, splits.

    Args:
        name: one of ``names()``; ``_`` may stand for ``-``.

    Raises:
        DataError: no data set has this name.

    >>> describe("fashion_mnist").licence
    'MIT'
    """
    info = CATALOG.get(str(name).lower().replace("_", "-"))
    if info is None:
        raise DataError(f"no data set is named {name!r}; the names are {', '.join(names())}")
    return info
