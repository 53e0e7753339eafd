"""E-books: the chapters of an EPUB in reading order, each read as the web page it is."""

from __future__ import annotations

import posixpath
from typing import Any
from urllib.parse import unquote
from zipfile import ZipFile

from lxml import etree

from index.errors import SkipFile
from index.parse.builder import Outline, TextBuilder, one_line
from index.parse.decode import decode
from index.parse.guard import open_archive
from index.parse.html import add_tree, tree
from index.parse.limits import Limits
from index.types import Parsed, Place

DAMAGE = (etree.LxmlError,)

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_FONT_ONLY = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")  # scrambled fonts, open text
_XML = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)


def parse(data: bytes, limits: Limits) -> Parsed:
    """Text of an .epub, each segment with its chapter; the title is the one in its metadata."""
    builder = TextBuilder(limits)
    with open_archive(data, limits, _CONTAINER) as archive:
        if _ENCRYPTION in archive.namelist() and _is_locked(archive.read(_ENCRYPTION)):
            raise SkipFile("encrypted", "the book is protected")
        rootfile = _find(etree.fromstring(archive.read(_CONTAINER), _XML), "rootfile")
        if not rootfile or not rootfile[0].get("full-path"):
            raise SkipFile("corrupt", "the container names no book")
        package_path = rootfile[0].get("full-path")
        package = etree.fromstring(archive.read(package_path), _XML)
        titles = [one_line("".join(title.itertext())) for title in _find(package, "title")]
        book = titles[0] if titles else ""
        for chapter in _spine(package, posixpath.dirname(package_path)):
            _add_chapter(builder, archive, chapter, book)
    return builder.parsed(book)


def _spine(package: Any, folder: str) -> list[str]:
    """Paths of the chapters in reading order, without the navigation page."""
    items = {item.get("id"): item for item in _find(package, "item")}
    read = (items.get(reference.get("idref")) for reference in _find(package, "itemref"))
    pages = [item for item in read if item is not None and "nav" not in item.get("properties", "").split()]
    return [posixpath.normpath(posixpath.join(folder, unquote(page.get("href", "")))) for page in pages]


def _add_chapter(builder: TextBuilder, archive: ZipFile, path: str, book: str) -> None:
    try:
        data = archive.read(path)
    except KeyError:
        builder.warn(f"the chapter {path} is missing")
        return
    if not data.strip():
        return
    markup, warnings = decode(data)
    for warning in warnings:
        builder.warn(f"{path}: {warning}")
    root = tree(markup)
    chapter, headed = _name(root, book) if root is not None else ("", False)
    # A chapter named by its first heading gets it into the path from there; the title element is no part of the text.
    outline = Outline((chapter,) if chapter and not headed else ())
    add_tree(builder, root, Place(chapter=chapter or None), outline)


def _name(root: Any, book: str) -> tuple[str, bool]:
    """The chapter's first heading, or its title when that is not the book's; and whether it was a heading."""
    for heading in root.xpath("//h1|//h2|//h3"):
        if name := one_line(heading.text_content()):
            return name, True
    title = one_line(root.findtext(".//title") or "")
    return ("" if title == book else title), False


def _is_locked(encryption: bytes) -> bool:
    methods = _find(etree.fromstring(encryption, _XML), "EncryptionMethod")
    return any(method.get("Algorithm") not in _FONT_ONLY for method in methods)


def _find(root: Any, name: str) -> list[Any]:
    """Elements of a name in any namespace: producers disagree about them."""
    return list(root.iter(f"{{*}}{name}"))
