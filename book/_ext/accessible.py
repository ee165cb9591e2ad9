"""Repair what theme and extensions leave unnamed, or misname, for a reader who listens to the page."""

import re

OPENER = '<summary aria-label="Show or hide the pages below">'
REPEATED = re.compile(r' id="(?:exercise|solution)-content"')
CITATION = re.compile(r'(<div class="citation"[^>]*?) role="doc-biblioentry">')


def name_openers(_app, _pagename, _template, context, _doctree):
    """Give the arrows of the sidebar that unfold a list of pages a name."""
    make = context.get("generate_toctree_html")
    if make is None:
        return

    def named(*args, **kwargs):
        return str(make(*args, **kwargs) or "").replace("<summary>", OPENER)

    context["generate_toctree_html"] = named


def name_parts(_app, _pagename, _template, context, _doctree):
    """Let folded code go by the words one sees, the bibliography be a list of items, and exercises share no id."""
    body = context.get("body", "")
    body = body.replace('<summary aria-label="Toggle hidden content">', "<summary>")
    body = REPEATED.sub("", body)
    context["body"] = CITATION.sub(r"""\1 role="listitem">""", body)


def setup(app):
    app.connect("html-page-context", name_parts)
    app.connect("html-page-context", name_openers, priority=600)  # after the theme has set the function
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
