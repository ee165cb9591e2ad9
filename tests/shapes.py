"""Shapes and types of efflab's signatures, checked at run time in every test.

An int is taken where a float is asked for, as Python does. The other packages are tested with wrong types on purpose, which
efflab must answer with its own sentence, so the checker stays out of their way.
"""

from beartype import BeartypeConf, beartype

checker = beartype(conf=BeartypeConf(is_pep484_tower=True))
PACKAGES = ("efflab.data", "efflab.models")
