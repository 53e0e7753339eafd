"""The commands of API keys: footnote keys add, list and revoke."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from api import terminal

keys = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)

Data = Annotated[Path | None, typer.Option("--data", help="Where the index is kept.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


@keys.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Whose key it is: it stands in the log.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it, this once. A running server takes it from the next request on."""
    from api.keys import add_key, keys_file
    from api.settings import load_settings

    key = add_key(keys_file(load_settings(data=data).data), name)
    if as_json:
        terminal.show({"name": name, "key": key}, "", as_json=True)
    else:
        sys.stdout.write(f"{key}\n")  # as it is: a terminal's width must not break it


@keys.command("list")
def list_keys(data: Data = None, as_json: Json = False) -> None:
    """Names of the keys, and when they were made."""
    from api.keys import keys_file, read_keys
    from api.settings import load_settings

    found = read_keys(keys_file(load_settings(data=data).data))
    rows = [{"name": one.name, "created_at": one.created_at} for one in found]
    text = "\n".join(f"{one.name}  {one.created_at}" for one in found) or "No keys."
    terminal.show({"keys": rows}, text, as_json=as_json)


@keys.command()
def revoke(
    name: Annotated[str, typer.Argument(help="Name of the key.")], data: Data = None, as_json: Json = False
) -> None:
    """Take a key back. A running server refuses it from the next request on."""
    from api.keys import keys_file, revoke_key
    from api.settings import load_settings

    revoke_key(keys_file(load_settings(data=data).data), name)
    terminal.show({"revoked": name}, f"The key {name} is revoked.", as_json=as_json)
