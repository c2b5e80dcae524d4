"""A run, a verdict or a what-if as HTML: one page that needs nothing else, or a fragment for a notebook."""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from butfor.counterfactual.verdict import Verdict
from butfor.counterfactual.whatif import WhatIf
from butfor.replay.text import printable
from butfor.replay.trace import Trace

from .model import ReportModel, report_model, whatif_model

if TYPE_CHECKING:
    from jinja2 import Environment


def as_html(found: Verdict | None, trace: Trace) -> str:
    """The page of a run, and of the verdict on it where there is one."""
    return page(report_model(trace, found))


def as_fragment(found: Verdict | WhatIf | None, trace: Trace) -> str:
    """The same page in a frame of its own, in which nothing runs: for a notebook."""
    from markupsafe import escape

    model = whatif_model(trace, found) if isinstance(found, WhatIf) else report_model(trace, found)
    return f'<iframe sandbox title="butfor" width="100%" height="640" srcdoc="{escape(page(model))}"></iframe>'


def page(model: ReportModel) -> str:
    """One file: no network, no script; its style is allowed by its hash, and nothing else is."""
    from markupsafe import Markup

    style = _style()
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return (
        _environment().get_template("page.html.j2").render(r=model, style=Markup(style), style_hash=f"sha256-{digest}")  # noqa: S704 - our own file
    )


def picture(trace: Trace) -> str:
    """The run's graph alone, as an SVG file with its own style."""
    from markupsafe import Markup

    from .lanes import lanes

    label = [trace.culprit.step] if trace.culprit else []
    module = _environment().get_template("picture.svg.j2")
    return module.render(p=lanes(trace, blamed=label), style=Markup(_style()))  # noqa: S704 - our own file


@cache
def _style() -> str:
    return files(__package__).joinpath("templates", "style.css").read_text(encoding="utf-8")


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("butfor.render"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )


def _harmless(value: Any) -> Any:
    """Text of logs without control and direction characters; markup of our own as it is."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return printable(value)
    return "" if value is None else value
