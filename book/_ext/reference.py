"""Make the reference generated from docstrings resolve its own names.

A package such as ``efflab.pruning`` is documented under its public name, while annotations name the file in which a class
was written (``efflab.pruning.masks.Pruner``). Those references are led to the public name.
"""

import importlib
import sys

from sphinx.ext.napoleon import GoogleDocstring
from sphinx.util.nodes import make_refnode


def public_name(target, documented):
    """The documented object of the same package and last name, or None.

    Args:
        target: the dotted name that was not found.
        documented: all dotted names in the reference.
    """
    package = target.removeprefix("efflab.").partition(".")[0]
    last = target.rpartition(".")[2]
    fits = [name for name in documented if name.endswith(f".{last}")]
    near = [name for name in fits if name.startswith(f"efflab.{package}.")]
    found = near or (fits if len(fits) == 1 else [])
    return min(found, key=len, default=None)


def exists(target, package):
    """Whether a name, dotted or told from within ``package``, names something of efflab, be it private."""
    module, _, name = target.rpartition(".")
    if not module:
        loaded = [held for known, held in sys.modules.items() if f"{known}.".startswith(f"{package}.")]
        return bool(package) and any(hasattr(held, name) for held in loaded)
    try:
        return target.startswith("efflab.") and hasattr(importlib.import_module(module), name)
    except ImportError:
        return False


def unwritten(_app, _what, _name, member, skip, _options):
    """Leave out what nobody here wrote: names passed on from torch, and the fields of named tuples as Python describes them."""
    passed_on = str(getattr(member, "__module__", "")).startswith("torch.")
    alias = str(getattr(member, "__doc__", "")).startswith("Alias for field number")
    return True if passed_on or alias else skip


def resolve(app, env, node, contnode):
    """Link a name of efflab to its public entry; name without a link what has none but exists."""
    if node.get("refdomain") != "py":
        return None
    objects = env.domains["py"].objects
    target = node.get("reftarget", "")
    name = public_name(target, objects)
    if name is None:
        return contnode if exists(target, node.get("py:module")) else None
    entry = objects[name]
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, contnode, name)


class Sentences(GoogleDocstring):
    """Docstrings whose attributes are described in sentences: what stands before a colon is no type."""

    def _consume_inline_attribute(self):
        return "", self._dedent(self._consume_to_end())


def setup(app):
    # Napoleon makes its docstrings by this name, and offers no other place to say so.
    GoogleDocstring._consume_inline_attribute = Sentences._consume_inline_attribute  # noqa: SLF001 - see above
    app.connect("missing-reference", resolve)
    app.connect("autodoc-skip-member", unwritten)
    return {"version": "2", "parallel_read_safe": True, "parallel_write_safe": True}
