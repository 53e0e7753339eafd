// One question and its answer on the page: the sentences as they arrive, their footnotes below, and how it ended.

import { button, dotted, el, name } from "./dom.js";
import { notice, problemNotice } from "./notices.js";
import { count, fallbackInWords, placeInWords, reasonInWords } from "./words.js";

const PASSAGE_CHARS = 320; // enough of a passage to recognise it; the whole of it is one click away
const NEAREST_SHOWN = 5;

const MODES = {
  extractive: "Quoted from the documents",
  generative: "Written from the documents, each sentence checked against them",
};

/** `open(target, opener)` shows a document; `titleOf(documentId)` is a title or undefined; `rate(answerId, verdict)` a promise. */
export class Turn {
  #open;
  #titleOf;
  #rate;
  #sentences = [];
  #citations = new Map(); // n -> citation
  #body = el("p", { class: "answer", "aria-live": "polite" });
  #status = el("p", { class: "status small", role: "status" }, "Looking through the documents");
  #footnotes = el("ol", { class: "footnotes", "aria-label": "Footnotes" });
  #end = el("div", { class: "turn-end" });

  constructor(question, { open, titleOf, rate }) {
    this.#open = open;
    this.#titleOf = titleOf;
    this.#rate = rate;
    this.question = question;
    this.element = el("article", { class: "turn" },
      el("h2", { class: "question", dir: "auto", tabindex: "-1" }, question),
      this.#body, this.#status, this.#footnotes, this.#end);
  }

  /** What has been answered so far; what a follow-up question is asked in the light of. */
  get text() {
    return this.#sentences.map((sentence) => sentence.text).join(" ");
  }

  get footnoteCount() {
    return this.#citations.size;
  }

  showPassages(passages) {
    this.#status.replaceChildren(`Reading the ${count(passages.length, "nearest passage")}`);
  }

  addSentence(sentence, citations) {
    for (const citation of citations) {
      this.#citations.set(citation.n, citation);
      this.#footnotes.append(this.#footnote(citation));
    }
    if (this.#sentences.length > 0) this.#body.append(" ");
    else this.#status.replaceChildren("Answering");
    this.#sentences.push(sentence);
    this.#body.append(el("span", { class: "sentence" }, sentence.text, ...this.#markers(sentence)));
  }

  /** The whole answer, which is what was streamed; if it is not, the whole answer is right. */
  finish(answer) {
    this.#status.remove();
    if (answer.abstained) {
      this.#abstain(answer);
      return;
    }
    const streamed = JSON.stringify(this.#sentences.map(essence));
    if (streamed !== JSON.stringify(answer.sentences.map(essence))) this.#rewrite(answer);
    const read = answer.passages.length > 0 && el("details", { class: "read small" },
      el("summary", {}, `All ${count(answer.passages.length, "passage")} read`),
      this.#passageList(answer.passages, answer.passages.length));
    this.#end.append(...[
      answer.reason && notice(reasonInWords(answer.reason)),
      this.#colophon(answer),
      read,
    ].filter(Boolean));
  }

  fail(error, retry) {
    this.#status.remove();
    this.#end.replaceChildren(problemNotice(error, retry, "Ask again"));
  }

  stop() {
    this.#status.remove();
    this.#end.replaceChildren(el("p", { class: "small" }, "Stopped."));
  }

  #rewrite(answer) {
    this.#sentences = [];
    this.#citations.clear();
    this.#body.replaceChildren();
    this.#footnotes.replaceChildren();
    const fresh = new Map(answer.citations.map((citation) => [citation.n, citation]));
    for (const sentence of answer.sentences) {
      const first = sentence.citations.filter((n) => fresh.has(n)).map((n) => fresh.get(n));
      first.forEach((citation) => fresh.delete(citation.n));
      this.addSentence(sentence, first);
    }
  }

  #abstain(answer) {
    this.#sentences = [{ text: answer.text || "The documents don't say.", citations: [] }];
    this.#citations.clear();
    this.#footnotes.replaceChildren();
    this.element.classList.add("abstained");
    this.#body.replaceChildren(this.text);
    if (answer.reason) this.#end.append(el("p", { class: "reason" }, reasonInWords(answer.reason)));
    if (answer.passages.length > 0) {
      this.#end.append(el("h3", {}, "The nearest passages"), this.#passageList(answer.passages, NEAREST_SHOWN));
    }
  }

  #markers(sentence) {
    const markers = sentence.citations.filter((n) => this.#citations.has(n)).map((n) => {
      const citation = this.#citations.get(n);
      const marker = button(String(n), "marker", (node) => this.#openCitation(citation, node));
      marker.setAttribute("aria-label", `Footnote ${n}: ${citation.title || citation.source}`);
      return marker;
    });
    if (markers.length > 0) return [el("sup", {}, ...markers)];
    return [el("span", { class: "unsupported small" }, "no footnote")];
  }

  #footnote(citation) {
    const opener = button(name(citation.title || citation.source), "footnote-title",
      (node) => this.#openCitation(citation, node));
    const place = placeInWords(citation);
    const file = citation.title && citation.title !== citation.source && name(citation.source);
    return el("li", { class: "footnote", value: String(citation.n) },
      el("span", { class: "footnote-number", "aria-hidden": "true" }, String(citation.n)),
      el("div", {},
        el("p", {}, opener),
        el("blockquote", { dir: "auto" }, citation.cited_text),
        el("p", { class: "small place" }, ...dotted([file, place && name(place)])),
        citation.source_changed && el("p", { class: "flag small" }, "The file has changed since it was indexed.")));
  }

  #openCitation(citation, opener) {
    this.#open({
      document_id: citation.document_id,
      source: citation.source,
      title: citation.title,
      place: placeInWords(citation),
      start: citation.start_char,
      end: citation.end_char,
      cited: citation.cited_text,
      changed: citation.source_changed,
    }, opener);
  }

  #passageList(passages, shown) {
    return el("ul", { class: "passages" }, ...passages.slice(0, shown).map((passage) => {
      const title = this.#titleOf(passage.document_id) || passage.source;
      const opener = button(name(title), "footnote-title", (node) => this.#open({
        document_id: passage.document_id,
        source: passage.source,
        title,
        place: "",
        start: passage.start_char,
        end: passage.end_char,
        cited: passage.text,
        changed: false,
      }, node));
      return el("li", { class: "passage" },
        el("p", {}, opener),
        el("blockquote", { dir: "auto" }, beginning(passage.text)),
        title !== passage.source && el("p", { class: "small place" }, name(passage.source)));
    }));
  }

  #colophon(answer) {
    const said = el("span", { role: "status" });
    const rating = el("span", { class: "rating" }, "Is this right? ");
    for (const [label, verdict] of [["Yes", "up"], ["No", "down"]]) {
      rating.append(button(label, "plain", async () => {
        try {
          await this.#rate(answer.answer_id, verdict);
          rating.remove();
          said.replaceChildren("Noted, thank you.");
        } catch (error) {
          said.replaceChildren(`Not noted: ${error.title ?? error.message}. `);
        }
      }), " ");
    }
    const copy = navigator.clipboard && button("Copy", "plain", async (node) => {
      await navigator.clipboard.writeText(asPlainText(this.question, answer));
      node.replaceChildren("Copied");
    });
    return el("div", { class: "colophon small" },
      answer.fallback ? el("p", { class: "fallback" }, fallbackInWords(answer)) : null,
      el("p", {}, ...dotted([MODES[answer.mode] ?? answer.mode, `generation ${answer.generation}`])),
      el("p", { class: "colophon-actions" }, rating, said, copy || null));
  }
}

/** What of a sentence is shown; its support may be told more exactly at the end than while streaming. */
function essence({ text, citations }) {
  return [text, citations];
}

function beginning(text) {
  const points = Array.from(text); // by code point: a cut through a surrogate pair would show a broken character
  if (points.length <= PASSAGE_CHARS) return text;
  return `${points.slice(0, PASSAGE_CHARS).join("").replace(/\s+\S*$/, "")} …`; // and not in the middle of a word
}

function asPlainText(question, answer) {
  const body = answer.sentences
    .map((sentence) => sentence.text + sentence.citations.map((n) => `[${n}]`).join("")).join(" ");
  const notes = answer.citations.map((citation) => {
    const where = [citation.title, citation.source, placeInWords(citation)].filter(Boolean).join(", ");
    return `[${citation.n}] ${where}: “${citation.cited_text}”`;
  });
  return [question, body, notes.join("\n")].join("\n\n");
}
