// Numbers, codes and reports said in words. Plain functions from the service's values to text.

const REASONS = {
  no_evidence: "Nothing in the documents comes near this question.",
  weak_evidence: "Some passages come near, but none of them supports an answer.",
  index_empty: "The index holds no passages.",
  not_indexed: "Nothing has been indexed yet.",
};

/** What became of an answer that an LLM was to write. */
export function fallbackInWords({ fallback, mode }) {
  if (!fallback) return "";
  const why = sentenceCase(fallback.replace(/^llm_/, "").replaceAll("_", " "));
  return mode === "generative" ? `The written answer ends early. ${why}` : `Quoted, as no written answer could be given. ${why}`;
}

const PHASES = {
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
