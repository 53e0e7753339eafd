"""``footnote serve`` with the fakes for models: ``python -m tests.api.fake_server --source ... --no-update``."""

from __future__ import annotations

import argparse
from pathlib import Path

from api.compose import Footnote
from api.serving import run
from api.settings import load_settings
from tests.fakes import FakeReader, make_fake_encoder

if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--source", type=Path)
    options.add_argument("--data", type=Path)
    options.add_argument("--host")
    options.add_argument("--port", type=int)
    options.add_argument("--no-update", action="store_false", dest="update")
    given = vars(options.parse_args())
    update = given.pop("update")
    settings = load_settings(**given, encoder="fake")
    run(Footnote(settings, encoder=make_fake_encoder, reader=FakeReader), update=update)
