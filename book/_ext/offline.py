"""Put the vendored scripts and fonts into the built pages, and offer each chapter's notebook for download.

Jupyter Book loads every script under ``_static`` on every page, so these files stay outside it: pages with widgets or
mathematics name what they need (``nb_ipywidgets_js``, ``mathjax_path``), and this extension lays it at those addresses.
"""

import shutil
import sys
from pathlib import Path

BOOK = Path(__file__).parents[1]
sys.path.append(str(BOOK))

import vendor  # noqa: E402 - lies beside the book's build script

SETUP = Path(__file__).parent / "widget_setup.js"


def anywidget_script():
    """The browser side of the installed anywidget."""
    import anywidget  # noqa: PLC0415 - needed for its folder alone

    return Path(anywidget.__file__).parent / "nbextension" / "index.js"


def serve(app):
    """Lay scripts and fonts below the output's ``_static``."""
    if app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    wanted = {target: vendor.content(entry) for target, entry in vendor.files().items()}
    wanted["widgets/setup.js"] = SETUP.read_bytes()
    wanted["widgets/anywidget.js"] = anywidget_script().read_bytes()
    for target, data in wanted.items():
        path = static / target
        if not path.exists() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def offer_notebook(app, pagename, _template, context, _doctree):
    """Let the download button of an executed page carry the notebook beside the text."""
    executed = Path(app.outdir).parent / "jupyter_execute" / f"{pagename}.ipynb"
    if not context.get("sourcename") or not executed.exists():
        return
    target = Path(app.outdir) / "_sources" / f"{pagename}.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(executed, target)
    context["ipynb_source"] = f"{pagename}.ipynb"


def setup(app):
    app.connect("builder-inited", serve)
    app.connect("html-page-context", offer_notebook, priority=400)  # before the theme writes its buttons
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
