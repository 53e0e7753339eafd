// One question and its answer on the page: the sentences as they arrive, their footnotes below, and how it ended.

import { colophon } from "./colophon.js";
import { button, dotted, el, name } from "./dom.js";
import { notice, problemNotice } from "./notices.js";
import { count, fallbackInWords, placeInWords, reasonInWords, verdictInWords } from "./words.js";

const PASSAGE_CHARS = 320; // enough of a passage to recognise it; the whole of it is one click away
const NEAREST_SHOWN = 5;

/**
 * `open(target, opener)` shows a document, `titleOf(documentId)` is a title or undefined, `rate(answerId, verdict,
 * comment)` a promise, `again(turn)` asks the question once more, `rated()` is called when record() has changed.
 */
export class Turn {
  #does;
  #asked;
  #sentences = [];
  #citations = new Map(); // n -> citation
  #answer = null;
  #ended = "stopped"; // until it ends otherwise
  #problem = null;
  #rating = "";
  #body = el("p", { class: "answer", "aria-live": "polite" });
  #status = el("p", { class: "status small", role: "status" }, "Looking through the documents");
  #footnotes = el("ol", { class: "footnotes", "aria-label": "Footnotes" });
  #end = el("div", { class: "turn-end" });

  constructor(question, does, asked = Date.now()) {
    this.#does = does;
    this.#asked = asked;
    this.question = question;
    this.element = el("article", { class: "turn" },
      el("h2", { class: "question", dir: "auto", tabindex: "-1" }, question),
      this.#body, this.#status, this.#footnotes, this.#end);
  }

  /** The turn that a record (see conversations.js) tells of. */
  static from(record, does) {
    const turn = new Turn(record.question, does, record.asked);
    turn.#rating = record.rating ?? "";
    turn.#body.removeAttribute("aria-live"); // it is no news
    if (record.answer) {
      turn.finish(record.answer);
      return turn;
    }
    turn.#rewrite(record);
    if (record.ended === "failed" && typeof record.problem?.title === "string") turn.fail(record.problem, true);
    else turn.stop();
    return turn;
  }

  record() {
    const { question } = this;
    if (this.#answer) return { question, asked: this.#asked, answer: this.#answer, rating: this.#rating };
    return {
      question,
      asked: this.#asked,
      answer: null,
      sentences: this.#sentences,
      citations: [...this.#citations.values()],
      ended: this.#ended,
      problem: this.#problem && { title: `${this.#problem.title ?? ""}`, detail: `${this.#problem.detail ?? ""}` },
    };
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
    const doubt = verdictInWords(sentence.verdict);
    this.#body.append(el("span", { class: doubt ? "sentence doubted" : "sentence" },
      sentence.text, ...this.#markers(sentence), doubt && el("span", { class: "doubt small" }, doubt)));
  }

  /** The whole answer, which is what was streamed; if it is not, the whole answer is right. */
  finish(answer) {
    this.#answer = answer;
    this.#status.remove();
    if (answer.abstained) this.#abstain(answer);
    else {
      const streamed = JSON.stringify(this.#sentences.map(essence));
      if (streamed !== JSON.stringify(answer.sentences.map(essence))) this.#rewrite(answer);
    }
    const read = !answer.abstained && answer.passages.length > 0 && el("details", { class: "read small" },
      el("summary", {}, `All ${count(answer.passages.length, "passage")} read`),
      this.#passageList(answer.passages, answer.passages.length));
    this.#end.append(...[
      answer.fallback && notice(fallbackInWords(answer)),
      !answer.abstained && answer.reason && notice(reasonInWords(answer.reason)),
      colophon(this.question, answer, this.#rating, async (verdict, comment) => {
        await this.#does.rate(answer.answer_id, verdict, comment);
        this.#rating = verdict;
        this.#does.rated();
      }),
      read,
    ].filter(Boolean));
  }

  fail(error, mayPass) {
    this.#ended = "failed";
    this.#problem = error;
    this.#status.remove();
    const again = mayPass ? () => this.#does.again(this) : null;
    this.#end.replaceChildren(problemNotice(error, again, "Ask again"));
  }

  stop() {
    this.#status.remove();
    this.#end.replaceChildren(el("p", { class: "small ended" },
      this.text === "" ? "Stopped." : "Stopped before the end.",
      button("Ask again", "plain", () => this.#does.again(this))));
  }

  #rewrite({ sentences, citations }) {
    this.#sentences = [];
    this.#citations.clear();
    this.#body.replaceChildren();
    this.#footnotes.replaceChildren();
    const fresh = new Map(citations.map((citation) => [citation.n, citation]));
    for (const sentence of sentences) {
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
    return [el("span", { class: "doubt small" }, "no footnote")];
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
    this.#does.open({
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
      const title = passage.title || this.#does.titleOf(passage.document_id) || passage.source;
      const opener = button(name(title), "footnote-title", (node) => this.#does.open({
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
}

/** What of a sentence is shown. */
function essence({ text, citations, verdict }) {
  return [text, citations, verdict];
}

function beginning(text) {
  const points = Array.from(text); // by code point: a cut through a surrogate pair would show a broken character
  if (points.length <= PASSAGE_CHARS) return text;
  return `${points.slice(0, PASSAGE_CHARS).join("").replace(/\s+\S*$/, "")} …`; // and not in the middle of a word
}
