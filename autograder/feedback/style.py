"""The frame of a page of feedback: one file, readable on a phone, light and dark."""

from html import escape

_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --box: #f6f8fa;
  --good: #116329; --bad: #a40e26; --wait: #7a4d00; }
@media (prefers-color-scheme: dark) { :root { --ground: #0d1117; --ink: #e6edf3; --soft: #9ea7b3; --line: #3d444d;
  --box: #161b22; --good: #56d364; --bad: #ff938a; --wait: #e3b341; } }
body { background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto;
  max-width: 46rem; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0.5rem 0; } h2 { font-size: 1.2rem; margin: 0; } h3 { font-size: 1rem; }
table { border-collapse: collapse; width: 100%; } td, th { border-bottom: 1px solid var(--line); padding: 0.3rem;
  text-align: left; } tbody th { font-weight: 400; } td.points, th.points { text-align: right; white-space: nowrap; }
section { border: 1px solid var(--line); border-radius: 0.5rem; margin: 1rem 0; padding: 1rem; }
ul { padding-left: 1.2rem; } li { margin: 0.4rem 0; }
.good { color: var(--good); } .bad { color: var(--bad); } .wait { color: var(--wait); } .soft { color: var(--soft); }
.verdict { font-weight: 600; }
pre, blockquote { background: var(--box); border-left: 3px solid var(--line); margin: 0.5rem 0; padding: 0.5rem 0.8rem;
  white-space: pre-wrap; }
pre { font: 0.9rem/1.4 ui-monospace, monospace; } code { font: 0.9em ui-monospace, monospace; }
a:focus-visible { outline: 2px solid; }
@media print { section { break-inside: avoid; } }
"""


def frame(title: str, body: str) -> str:
    """A whole page.

    Args:
        title: plain text.
        body: HTML.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )
