// The documents as a table of contents: each title opens its text. Used on the opening page and in the index panel.

import { button, dotted, el, name } from "./dom.js";
import { notice } from "./notices.js";
import { count } from "./words.js";

const STATES = { changed: "changed since", missing: "no longer in the folder" };

/** Puts at most `limit` documents into `container`, with a button for the rest. `open(document, button)` opens one. */
export function showContents(container, documents, open, limit) {
  const list = el("ol", { class: "contents" });
  const add = (some) => list.append(...some.map((document) => entry(document, open)));
  add(documents.slice(0, limit));
  container.replaceChildren(documents.length > 0 ? list : notice("The folder holds no document that can be read."));
  if (documents.length > limit) {
    container.append(button(`Show all ${count(documents.length, "document")}`, "plain", (more) => {
      add(documents.slice(limit));
      more.remove();
      list.children[limit].querySelector("button").focus(); // the button that had the focus is gone
    }));
  }
}

function entry(document, open) {
  const title = document.title || document.source;
  const state = STATES[document.state];
  const opener = button(name(title), "contents-title", (node) => open(document, node));
  return el("li", {},
    el("div", { class: "contents-line" },
      opener,
      el("span", { class: "leader", "aria-hidden": "true" }),
      el("span", { class: "contents-count" }, count(document.n_passages, "passage"))),
    el("p", { class: "contents-source small" },
      ...dotted([title === document.source ? null : name(document.source), state && el("span", { class: "flag" }, state)])));
}
