// The documents as a table of contents: each title opens its text. On the opening page some of them; in the panel all,
// with what was skipped, and a filter.

import { button, byId, dotted, el, name } from "./dom.js";
import { notice } from "./notices.js";
import { count, skipInWords, stateInWords } from "./words.js";

const AT_ONCE = 50; // entries of the panel; a folder may hold thousands
const STATES = ["indexed", "changed", "missing", "unknown", "stale", "skipped"];

/** Puts at most `limit` documents into `container`, with a button for the rest. `open(document, button)` opens one. */
export function showContents(container, documents, open, limit) {
  const entries = documents.map((document) => () => documentEntry(document, open));
  if (entries.length === 0) container.replaceChildren(notice("The folder holds no document that can be read."));
  else showSome(container, entries, limit, "document");
}

/** The list in the panel. */
export class ContentsList {
  #entries = []; // {state, words, draw()}
  #open;

  constructor(open) {
    this.#open = open;
    byId("documents-filter").addEventListener("input", () => this.#draw());
    byId("documents-state").addEventListener("change", () => this.#draw());
  }

  show(documents, skipped) {
    this.#entries = [
      ...documents.map((document) => ({
        state: stateOf(document),
        words: [document.title, document.source, stateInWords(stateOf(document))].join(" ").toLowerCase(),
        draw: () => documentEntry(document, this.#open),
      })),
      ...skipped.map((file) => ({
        state: "skipped",
        words: [file.source, "skipped", skipInWords(file)].join(" ").toLowerCase(),
        draw: () => skippedEntry(file),
      })),
    ];
    const chosen = byId("documents-state").value;
    const there = STATES.map((state) => [state, this.#entries.filter((entry) => entry.state === state).length]);
    byId("documents-state").replaceChildren(
      el("option", { value: "" }, `all ${count(this.#entries.length, "file")}`),
      ...there.filter(([, number]) => number > 0).map(([state, number]) =>
        el("option", { value: state }, `${number.toLocaleString("en")} ${stateInWords(state)}`)));
    byId("documents-state").value = there.some(([state, number]) => state === chosen && number > 0) ? chosen : "";
    this.#draw();
  }

  #draw() {
    const wanted = byId("documents-filter").value.trim().toLowerCase().split(/\s+/);
    const state = byId("documents-state").value;
    const found = this.#entries.filter((entry) =>
      (state === "" || entry.state === state) && wanted.every((word) => entry.words.includes(word)));
    const some = `${found.length.toLocaleString("en")} of ${count(this.#entries.length, "file")}`;
    byId("documents-found").replaceChildren(found.length === this.#entries.length ? "" : some);
    showSome(byId("panel-contents"), found.map((entry) => entry.draw), AT_ONCE, "file");
  }
}

function showSome(container, entries, limit, noun) {
  const list = el("ol", { class: "contents" });
  const add = (some) => list.append(...some.map((draw) => draw()));
  add(entries.slice(0, limit));
  container.replaceChildren(list);
  if (entries.length > limit) {
    container.append(button(`Show all ${count(entries.length, noun)}`, "plain", (more) => {
      add(entries.slice(limit));
      more.remove();
      const next = list.children[limit];
      next.tabIndex = -1;
      (next.querySelector("button") ?? next).focus(); // the button that had the focus is gone
    }));
  }
}

function documentEntry(document, open) {
  const title = document.title || document.source;
  const state = stateOf(document);
  const opener = button(name(title), "contents-title", (node) => open(document, node));
  return el("li", {},
    line(opener, count(document.n_passages, "passage")),
    el("p", { class: "contents-source small" }, ...dotted([
      title !== document.source && name(document.source),
      state !== "indexed" && el("span", { class: "flag" }, stateInWords(state), staleness(document)),
      document.duplicate_of && el("span", {}, "same text as ", name(document.duplicate_of)),
    ])));
}

function skippedEntry(file) {
  return el("li", {},
    line(el("span", { class: "contents-title" }, name(file.source)), "skipped"),
    el("p", { class: "contents-source small" }, el("span", { class: "flag" }, skipInWords(file))));
}

function line(title, fact) {
  return el("div", { class: "contents-line" },
    title,
    el("span", { class: "leader", "aria-hidden": "true" }),
    el("span", { class: "contents-count" }, fact));
}

function stateOf(document) {
  return staleness(document) === "" ? document.state : "stale";
}

/** Why the last good version is served: ", corrupt"; "" for a document whose file could be read. */
function staleness({ warnings }) {
  const why = (warnings ?? []).find((warning) => warning.startsWith("stale: "));
  return why ? `, ${why.slice("stale: ".length).replaceAll("_", " ")}; the last good version is served` : "";
}
