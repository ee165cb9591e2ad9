"""Repair what the theme leaves unnamed for a reader who listens to the page."""

OPENER = '<summary aria-label="Show or hide the pages below">'


def name_openers(app, _pagename, _template, context, _doctree):
    """Give the arrows of the sidebar that unfold a list of pages a name."""
    make = context.get("generate_toctree_html")
    if make is None:
        return

    def named(*args, **kwargs):
        return str(make(*args, **kwargs) or "").replace("<summary>", OPENER)

    context["generate_toctree_html"] = named


def setup(app):
    app.connect("html-page-context", name_openers, priority=600)  # after the theme has set the function
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
