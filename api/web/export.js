// Answers and conversations as text that can be taken elsewhere. Pure functions of what the service said.

import { placeInWords, verdictInWords } from "./words.js";

/** An answer with its footnotes, for the clipboard. */
export function asPlainText(question, answer) {
  const body = answer.sentences
    .map((sentence) => sentence.text + sentence.citations.map((n) => `[${n}]`).join("")).join(" ");
  const notes = answer.citations.map((citation) => {
    const where = whereabouts(citation).join(", ");
    return `[${citation.n}] ${where}: “${citation.cited_text}”`;
  });
  return [question, answer.abstained ? answer.text : body, notes.join("\n")].filter(Boolean).join("\n\n");
}

/**
 * A conversation as Markdown with footnotes. Footnotes are numbered through, for two of one name would be one. All
 * that a document or a reader says is escaped, so that it is read as text.
 */
export function asMarkdown(conversation) {
  const parts = [`# ${inert(conversation.title || "Conversation")}`];
  let last = 0;
  for (const turn of conversation.turns) {
    const given = turn.answer ?? turn;
    const numbers = new Map(given.citations.map((citation) => [citation.n, (last += 1)]));
    parts.push(`## ${inert(turn.question)}`);
    parts.push(given.sentences.length > 0
      ? given.sentences.map((sentence) => sentenceAsMarkdown(sentence, numbers)).join(" ")
      : inert(turn.answer?.text || "No answer."));
    parts.push(...given.citations.map((citation) => noteAsMarkdown(citation, numbers.get(citation.n))));
    if (turn.answer) parts.push(`Generation ${inert(turn.answer.generation)}.`);
  }
  return `${parts.join("\n\n")}\n`;
}

function sentenceAsMarkdown(sentence, numbers) {
  const doubt = verdictInWords(sentence.verdict);
  const marks = sentence.citations.filter((n) => numbers.has(n)).map((n) => `[^${numbers.get(n)}]`).join("");
  return `${inert(sentence.text)}${doubt ? ` (${doubt})` : ""}${marks}`;
}

function noteAsMarkdown(citation, number) {
  const where = whereabouts(citation).map(inert).join(", ");
  const span = `characters ${citation.start_char} to ${citation.end_char}`;
  const version = citation.text_sha256 ? ` of the text with SHA-256 ${inert(citation.text_sha256)}` : "";
  return `[^${number}]: ${where}: “${inert(citation.cited_text)}” (${span}${version})`;
}

/** Title, file and place of a citation; a document without a title is called by its file. */
function whereabouts(citation) {
  return [...new Set([citation.title, citation.source, placeInWords(citation)])].filter(Boolean);
}

/** `text` as Markdown that says just that, on one line: no markup, no HTML, no link. */
export function inert(text) {
  return String(text)
    .replace(/\s+/g, " ")
    .trim()
    .replace(/[\\`*_{}[\]()#|~^!$=]/g, "\\$&")
    .replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;")
    .replace(/^([-+])/, "\\$1").replace(/^(\d+)([.)])/, "$1\\$2") // would begin a list
    .replace(/:\/\//g, "\\://").replace(/\b(www)\./gi, "$1\\."); // some renderers make links of these
}

/** A file name made of a conversation's title. */
export function fileNameOf(conversation) {
  const plain = conversation.title.normalize("NFKD").replace(/[^\w]+/g, "-").replace(/^-+|-+$/g, "").toLowerCase();
  return `${plain.slice(0, 60) || "conversation"}.md`;
}
