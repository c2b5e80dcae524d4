"""The published JSON schemas: `python -m butfor.schema DIR` writes them anew."""

import json
import sys
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from butfor.counterfactual.fleet.fleet import Fleet
from butfor.counterfactual.verdict import Verdict
from butfor.counterfactual.whatif import WhatIf
from butfor.replay.summary import Summary
from butfor.replay.trace import Trace

SCHEMAS: dict[str, type[BaseModel]] = {
    "trace": Trace,
    "show": Summary,
    "blame": Verdict,
    "whatif": WhatIf,
    "audit": Fleet,
}
"""By file name: the run itself, and what `show`, `blame`, `whatif` and `audit` print with `--json`."""


def schema(name: str) -> str:
    """The text of one schema file."""
    # a trace is written without its defaults, the others in full
    mode: Literal["validation", "serialization"] = "validation" if name == "trace" else "serialization"
    found = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **SCHEMAS[name].model_json_schema(mode=mode),
    }
    return json.dumps(found, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    for each in SCHEMAS:
        Path(sys.argv[1], f"{each}.schema.json").write_text(schema(each))
