// The document beside the conversation: its whole text, with the cited words marked and scrolled into view.

import { getText, textAddress } from "./api.js";
import { currentKey } from "./credentials.js";
import { utf16Range } from "./codepoints.js";
import { button, byId, dotted, el, name } from "./dom.js";
import { notice, problemNotice } from "./notices.js";

// A text may be millions of characters long, and laying all of it out would freeze the page: this much is shown on
// each side of the marked words, and the rest on request.
const SHOWN_AROUND = 40_000;

const AS_A_SHEET = matchMedia("(max-width: 55rem)"); // as in style.css: here the pane covers the whole page

/**
 * The pane. open(target, opener) shows target = {document_id, source, title, place, start, end, cited, changed}, where
 * start and end count code points and are null for a document opened at its top; closing gives `opener` the focus back.
 */
export class SourcePane {
  #pane = byId("source");
  #page = byId("page");
  #title = byId("source-title");
  #place = byId("source-place");
  #scroll = byId("source-scroll");
  #notices = byId("source-notices");
  #text = byId("source-text");
  #opener = null;
  #loading = new AbortController();
  #shown = { documentId: null, text: "" };

  constructor() {
    byId("source-close").addEventListener("click", () => this.close());
    AS_A_SHEET.addEventListener("change", () => this.#coverOrUncover());
  }

  get isOpen() {
    return !this.#pane.hidden;
  }

  async open(target, opener) {
    this.#remember(opener);
    this.#pane.hidden = false;
    document.body.classList.add("reading");
    this.#coverOrUncover();
    this.#nameIt(target);
    this.#scroll.focus({ preventScroll: true });

    this.#loading.abort();
    this.#loading = new AbortController();
    const { signal } = this.#loading;
    // The text that is open is used again only while it still holds the cited words where they were cited.
    if (this.#shown.documentId === target.document_id && locate(this.#shown.text, target)) {
      this.#show(this.#shown.text, target);
      return;
    }
    this.#forgetText();
    this.#notices.replaceChildren(el("p", { class: "small", role: "status" }, "Opening the document…"));
    try {
      const text = await getText(target.document_id, signal);
      if (signal.aborted) return;
      this.#shown = { documentId: target.document_id, text };
      this.#show(text, target);
    } catch (error) {
      if (signal.aborted) return; // another document was opened, or the pane closed, meanwhile
      this.#notices.replaceChildren(problemNotice(error, () => this.open(target, this.#opener)));
      if (target.cited) this.#text.replaceChildren(el("blockquote", {}, target.cited));
    }
  }

  close() {
    if (!this.isOpen) return;
    this.#loading.abort();
    this.#pane.hidden = true;
    document.body.classList.remove("reading");
    this.#coverOrUncover();
    const opener = this.#opener;
    this.#remember(null);
    (opener?.isConnected ? opener : byId("question")).focus();
  }

  #remember(opener) {
    this.#opener?.removeAttribute("aria-current");
    this.#opener = opener;
    opener?.setAttribute("aria-current", "true");
  }

  #coverOrUncover() {
    this.#page.inert = this.isOpen && AS_A_SHEET.matches;
  }

  #nameIt(target) {
    this.#title.replaceChildren(name(target.title || target.source));
    // A link sends no key, so a server that wants one would refuse it.
    const plain = currentKey() === "" && el("a", { href: textAddress(target.document_id), target: "_blank", rel: "noopener" }, "plain text");
    this.#place.replaceChildren(...dotted([name(target.source), target.place && name(target.place), plain]));
  }

  #forgetText() {
    this.#shown = { documentId: null, text: "" };
    this.#text.replaceChildren();
  }

  #show(text, target) {
    const span = locate(text, target);
    const notices = [];
    if (target.changed) {
      notices.push(notice("The file has changed since it was indexed. This is the version the answer was drawn from."));
    }
    if (target.cited && !span) {
      notices.push(notice(`This text no longer holds the cited words where they were found: “${target.cited}”`));
    }
    if (text === "") notices.push(notice("This document has no text."));
    this.#notices.replaceChildren(...notices);

    const marked = span ?? { start: 0, end: 0 };
    const mark = span ? el("mark", {}, text.slice(span.start, span.end)) : null;
    const before = earlierText(text, marked.start, this.#scroll);
    const after = laterText(text, marked.end);
    this.#text.replaceChildren(...[before, mark, after].filter(Boolean));
    this.#scroll.scrollTop = 0;
    if (mark) mark.scrollIntoView({ block: mark.offsetHeight > this.#scroll.clientHeight / 2 ? "start" : "center" });
  }
}

/** The target's words as UTF-16 indices into `text`; null for none, and when other words stand there. */
function locate(text, { start, end, cited }) {
  if (start === null || start === undefined) return null;
  const span = utf16Range(text, start, end);
  return span && text.slice(span.start, span.end) === cited ? span : null;
}

function earlierText(text, end, scroll) {
  const node = el("span");
  let start = boundary(text, Math.max(0, end - SHOWN_AROUND));
  const more = button("Show earlier text", "plain more", () => {
    const height = scroll.scrollHeight;
    start = boundary(text, Math.max(0, start - SHOWN_AROUND));
    node.lastChild.data = text.slice(start, end);
    if (start === 0) more.remove();
    scroll.scrollTop += scroll.scrollHeight - height; // what the reader looks at stays where it is
    scroll.focus({ preventScroll: true });
  });
  if (start > 0) node.append(more);
  node.append(document.createTextNode(text.slice(start, end)));
  return node;
}

function laterText(text, start) {
  let end = boundary(text, Math.min(text.length, start + SHOWN_AROUND));
  const node = el("span", {}, document.createTextNode(text.slice(start, end)));
  const more = button("Show later text", "plain more", () => {
    end = boundary(text, Math.min(text.length, end + SHOWN_AROUND));
    node.firstChild.data = text.slice(start, end);
    if (end === text.length) more.remove();
    byId("source-scroll").focus({ preventScroll: true });
  });
  if (end < text.length) node.append(more);
  return node;
}

/** `index`, or the one before it where it would cut a surrogate pair in two. */
function boundary(text, index) {
  const unit = text.charCodeAt(index);
  return index > 0 && unit >= 0xdc00 && unit <= 0xdfff ? index - 1 : index;
}
