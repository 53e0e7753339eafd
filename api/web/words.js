// Numbers, codes and reports said in words. Plain functions from the service's values to text.

const REASONS = {
  no_evidence: "Nothing in the documents comes near this question.",
  weak_evidence: "Some passages come near, but none of them supports an answer.",
  index_empty: "The index holds no passages.",
  not_indexed: "Nothing has been indexed yet.",
};

const VERDICTS = {
  unsupported: "not supported by its source",
  contradicted: "contradicted by its source",
  unjudged: "not checked against its source",
};

const FALLBACKS = {
  llm_unreachable: "The language model could not be reached",
  llm_timeout: "The language model did not answer in time",
  llm_refused: "The language model's server refused",
  llm_rate_limited: "The language model's server was asked too often",
  llm_error: "The language model's server failed",
  llm_bad_reply: "The language model's reply could not be read",
  llm_cut_off: "The language model's reply was cut off",
  llm_too_long: "The language model's reply was too long",
  llm_filtered: "The language model's server kept the reply back",
  llm_declined: "The language model found no answer in the passages",
  llm_nothing_supported: "Nothing that the language model wrote is supported by the documents",
  llm_context_too_small: "The passages do not fit what the language model may be sent",
  llm_breaker_open: "The language model failed several times and is left alone for a while",
};

const MODES = {
  extractive: "Quoted from the documents",
  generative: "Written from the documents, each sentence checked against them",
};

const STATES = {
  indexed: "indexed",
  changed: "changed since the build",
  missing: "no longer in the folder",
  unknown: "cannot be read",
  stale: "stale",
  skipped: "skipped",
};

const SKIPS = {
  empty: "the file holds no text",
  no_text: "its pages hold no text; a scan, perhaps",
  too_large: "the file is larger than the limit",
  unsupported: "no parser reads this kind of file",
  binary: "the file is not text",
  encrypted: "the file needs a password",
  corrupt: "the file is damaged",
  symlink: "links are not followed",
};

const PHASES = {
  waiting: "Waiting for the rebuild that runs",
  loading: "Loading the encoder",
  evaluating: "Asking the suite",
  scanning: "Reading the folder",
  parsing: "Reading the documents",
  embedding: "Encoding passages",
  writing: "Writing the index",
  publishing: "Publishing",
};

/** Why an answer is as it is; a code this page does not know is still said, as words. */
export function reasonInWords(reason) {
  if (!reason) return "";
  return REASONS[reason] ?? sentenceCase(String(reason).replaceAll("_", " "));
}

/** What is wrong with a sentence; "" when it is supported. */
export function verdictInWords(verdict) {
  if (!verdict || verdict === "supported") return "";
  return VERDICTS[verdict] ?? String(verdict).replaceAll("_", " ");
}

/** Why an answer that a language model was to write is quoted, or ends early; "" when neither. */
export function fallbackInWords({ fallback, mode }) {
  if (!fallback) return "";
  const code = String(fallback);
  const why = FALLBACKS[code] ?? `The language model's answer could not be used (${code.replaceAll("_", " ")})`;
  return mode === "generative" ? `${why}, so the answer ends early.` : `${why}, so the documents are quoted instead.`;
}

/** Why a verdict was not noted. */
export function notNotedInWords(error) {
  if (error.status === 404) return "the server no longer remembers this answer; ask again and rate the new one.";
  return error.detail || error.title || error.message;
}

export function modeInWords(mode) {
  return MODES[mode] ?? String(mode);
}

export function stateInWords(state) {
  return STATES[state] ?? String(state);
}

/** Why a file was skipped: "the file is damaged: bad header". */
export function skipInWords({ reason, detail }) {
  const why = SKIPS[reason] ?? String(reason ?? "").replaceAll("_", " ");
  return detail && detail !== why ? [why, detail].filter(Boolean).join(": ") : why;
}

/** How long the server asks to wait. */
export function waitInWords(seconds) {
  return `It asks to wait ${seconds < 120 ? count(seconds, "second") : count(Math.ceil(seconds / 60), "minute")}.`;
}

/** A setting's value as a reader would say it. */
export function valueInWords({ value, secret, given }) {
  if (secret) return given ? "set, and not shown" : "none";
  if (typeof value === "boolean") return value ? "on" : "off";
  if (typeof value === "number") {
    return value.toLocaleString("en", { maximumFractionDigits: 6, useGrouping: value >= 10_000 }); // no comma in a port
  }
  return value === "" || value === null ? "none" : String(value);
}

export function phaseInWords(phase) {
  return PHASES[phase] ?? sentenceCase(String(phase ?? "working"));
}

/** "1 passage", "1,204 passages". */
export function count(number, singular, plural = `${singular}s`) {
  return `${Number(number).toLocaleString("en")} ${number === 1 ? singular : plural}`;
}

/** "just now", "5 minutes ago", "3 days ago". */
export function ago(seconds) {
  const steps = [[60, "minute"], [60, "hour"], [24, "day"]];
  if (seconds < 60) return "just now";
  let amount = seconds;
  let unit = "second";
  for (const [size, next] of steps) {
    if (amount < size) break;
    amount /= size;
    unit = next;
  }
  return `${count(Math.floor(amount), unit)} ago`;
}

/** Where in a document a citation stands: "page 3 · Tides › Spring tides"; empty when nothing is known. */
export function placeInWords({ page, slide, row, heading_path: headings, title }) {
  // A document's title is often its first heading too; it stands beside the place already.
  const path = (headings ?? []).filter((heading) => heading !== title).join(" › ");
  return [page ? `page ${page}` : "", slide ? `slide ${slide}` : "", row ? `row ${row}` : "", path].filter(Boolean).join(" · ");
}

/** What a build did, in two or three sentences. */
export function reportInWords(report) {
  const changes = [
    ["added", report.added], ["changed", report.changed], ["renamed", report.renamed], ["deleted", report.deleted],
  ].filter(([, value]) => size(value) > 0).map(([verb, value]) => `${size(value).toLocaleString("en")} ${verb}`);
  const skipped = size(report.skipped);
  const unchanged = size(report.unchanged) > 0 ? [`${size(report.unchanged).toLocaleString("en")} unchanged`] : [];
  const sentences = [changes.length > 0 ? `${listed([...changes, ...unchanged])}.` : "No document had changed."];
  if (skipped > 0) sentences.push(`${count(skipped, "file")} skipped.`);
  if (report.gate && !report.gate.passed) {
    const failed = report.gate.failed.map((one) => one.id);
    sentences.push(`The new index does not pass ${report.gate.suite}.`);
    if (failed.length > 0) sentences.push(`It fails ${listed(failed.slice(0, 5))}${failed.length > 5 ? ` and ${failed.length - 5} more` : ""}.`);
  }
  sentences.push(report.published === false
    ? "The index stays as it was."
    : `Generation ${report.generation} holds ${count(report.documents, "document")} and ${count(report.passages, "passage")}.`);
  return sentences.join(" ");
}

/** What a rebuild would delete, where it asks before it does: a title, what to know, and what the button says. */
export function deletionsInWords({ count: gone, of }) {
  return {
    title: `${gone.toLocaleString("en")} of ${count(of, "document")} would be removed from the index`,
    detail: "Their files are gone from the source folder, or empty. Nothing has been removed. If they should be there, "
      + "look first whether the folder is mounted and whole.",
    act: `Remove ${gone === 1 ? "it" : "them"} and rebuild`,
  };
}

/** "and 3 more"; "" where all are named. */
export function moreInWords(all, named) {
  return all > named ? `and ${(all - named).toLocaleString("en")} more` : "";
}

/** The service reports lists of names, or only how many there were. */
function size(value) {
  return Array.isArray(value) ? value.length : Number(value ?? 0);
}

function listed(items) {
  return items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
}

function sentenceCase(text) {
  const sentence = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}
