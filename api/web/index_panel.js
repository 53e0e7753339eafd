// What is indexed, how old it is, and rebuilding it: the line in the header and the panel it opens.

import { getDocuments, getIndex, getJob, Problem, startRebuild, Unreachable } from "./api.js";
import { byId, el, name } from "./dom.js";
import { deletionsNotice, problemNotice } from "./notices.js";
import { ContentsList, showContents } from "./contents.js";
import { Drawer } from "./drawer.js";
import { ago, count, phaseInWords, reportInWords, skipInWords } from "./words.js";

const POLL_MS = 400; // a job's progress, while one runs
const RETRY_MS = 3_000; // the service does not answer
const REFRESH_MS = 60_000; // the age in words, and whether the folder has changed
const CONTENTS_SHOWN = 6; // on the opening page
const SKIPPED_SHOWN = 50;

export class IndexPanel {
  #open;
  #index = null; // as GET /v1/index gave it last
  #documents = null; // as listed on the page, as JSON
  #listed = null; // the generation they are of
  #titles = new Map();
  #following = null; // id of the job whose progress is shown
  #confirmable = null; // id of the job whose deletions are shown
  #timer = 0;
  #published;
  #contents;
  #drawer = new Drawer("index", () => this.refresh());

  /** `open(document, opener)` shows a document from a list; `published()` is awaited when there is a new generation. */
  constructor({ open, published }) {
    this.#open = open;
    this.#published = published;
    this.#contents = new ContentsList((document) => {
      this.#drawer.close();
      open(document, this.#drawer.toggle);
    });
    byId("rebuild").addEventListener("click", () => this.#rebuild());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.refresh();
    });
  }

  get generation() {
    return this.#index?.generation ?? null;
  }

  titleOf(documentId) {
    return this.#titles.get(documentId);
  }

  /** Asks the service how the index stands, and again by and by. */
  async refresh() {
    clearTimeout(this.#timer);
    let next = REFRESH_MS;
    try {
      this.#index = await getIndex();
      this.#describe();
      if (this.generation !== this.#listed || this.#index.source_changed) await this.#loadDocuments();
      if (!this.#following) this.#tellOf(this.#index.job);
    } catch (error) {
      if (error instanceof Unreachable) next = RETRY_MS;
      this.#describeFailure(error);
    }
    clearTimeout(this.#timer); // another refresh may have set it meanwhile
    this.#timer = setTimeout(() => (document.hidden ? null : this.refresh()), next);
  }

  async #loadDocuments() {
    const { documents, skipped } = await getDocuments();
    if (this.#listed !== this.generation) await this.#published(); // what stands above the list comes before it
    this.#listed = this.generation;
    const listed = JSON.stringify([documents, skipped]);
    if (listed === this.#documents) return; // redrawing would close a list someone has opened and drop the focus
    this.#documents = listed;
    this.#titles = new Map(documents.map((document) => [document.document_id, document.title]));
    showContents(byId("opening-contents"), documents, this.#open, CONTENTS_SHOWN);
    this.#contents.show(documents, skipped);
  }

  #describe() {
    const index = this.#index;
    byId("index-problem").replaceChildren();
    byId("index-summary").replaceChildren(
      el("span", { class: "roomy" }, count(index.documents, "document")), el("span", { class: "tight" }, "Files"),
      el("span", { class: "wide" }, `, built ${ago(index.age_s)}`));
    showFlag(index.source_changed === true ? "folder changed" : "");
    const folder = { true: "changed since the build", false: "unchanged since the build" }[String(index.source_changed)] ?? "not checked";
    byId("index-facts").replaceChildren(
      ...fact("Generation", index.generation),
      ...fact("Built", ago(index.age_s), new Date(index.created_at).toLocaleString("en", {
        dateStyle: "medium", timeStyle: "short",
      })),
      ...fact("Documents", Number(index.documents).toLocaleString("en")),
      ...fact("Passages", Number(index.passages).toLocaleString("en")),
      ...fact("Source folder", folder));
    byId("rebuild").replaceChildren("Rebuild");
    if (byId("job-outcome").childElementCount === 0 && index.last_report) {
      byId("job-outcome").replaceChildren(...outcome("Last build", index.last_report));
    }
  }

  #describeFailure(error) {
    const nothingYet = error instanceof Problem && error.status === 503;
    byId("index-summary").replaceChildren(
      el("span", { class: "roomy" }, nothingYet ? "Nothing indexed yet" : "Documents"),
      el("span", { class: "tight" }, "Files"));
    if (nothingYet) showFlag("");
    else showFlag(error instanceof Unreachable ? "not reachable" : "problem");
    if (nothingYet) byId("rebuild").replaceChildren("Build the index");
    byId("index-problem").replaceChildren(problemNotice(error, nothingYet ? null : () => this.refresh()));
    if (this.#documents !== null) return;
    // The opening page has nothing to list, so it says why, and what to do about it.
    const act = nothingYet ? () => this.#buildFirst() : () => this.refresh();
    byId("opening-contents").replaceChildren(problemNotice(error, act, nothingYet ? "Build the index" : "Try again"));
    byId("panel-contents").replaceChildren(el("p", { class: "small" }, nothingYet ? "None yet." : "Not known."));
  }

  #buildFirst() {
    this.#drawer.open();
    byId("rebuild").focus();
    this.#rebuild();
  }

  async #rebuild({ confirmDeletions = false } = {}) {
    if (this.#following && !confirmDeletions) return; // a word is given whatever runs: the job that answers has it
    byId("job-problem").replaceChildren();
    byId("job-outcome").replaceChildren();
    try {
      this.#follow(await startRebuild({ confirmDeletions }));
    } catch (error) {
      byId("job-problem").replaceChildren(problemNotice(error));
    }
  }

  #confirm() {
    byId("rebuild").focus(); // the button that was pressed goes
    this.#rebuild({ confirmDeletions: true });
  }

  /** A job that nobody here need have asked for: the folder may be watched. */
  #tellOf(job) {
    if (job?.state === "running") this.#follow(job);
    else if (job && job.job_id !== this.#confirmable) this.#conclude(job); // drawn again it would drop the focus
    else if (!job && this.#confirmable) {
      this.#confirmable = null;
      byId("job-problem").replaceChildren(); // another has seen to it
    }
  }

  /** Shows how far a job is, until it ends or another is followed. */
  async #follow(first) {
    const isFollowed = () => this.#following === first.job_id;
    if (isFollowed()) return;
    this.#following = first.job_id;
    byId("rebuild").setAttribute("aria-disabled", "true"); // not `disabled`, which would drop the focus
    byId("job").hidden = false;
    showFlag("rebuilding");
    byId("job-outcome").replaceChildren();
    let job = first;
    try {
      while (job.state === "running") {
        showProgress(job);
        await new Promise((resume) => setTimeout(resume, POLL_MS));
        job = await nextState(job);
        if (!isFollowed()) return;
      }
      this.#conclude(job);
    } catch (error) {
      if (isFollowed()) byId("job-problem").replaceChildren(problemNotice(error));
    } finally {
      if (isFollowed()) {
        this.#following = null;
        byId("rebuild").removeAttribute("aria-disabled");
        byId("job").hidden = true;
      }
    }
    await this.refresh();
  }

  #conclude(job) {
    this.#confirmable = job.vanished ? job.job_id : null;
    byId("job-problem").replaceChildren();
    if (job.vanished) byId("job-problem").replaceChildren(deletionsNotice(job.vanished, () => this.#confirm()));
    else if (job.error) byId("job-problem").replaceChildren(problemNotice(new Problem(job.error)));
    if (job.report) byId("job-outcome").replaceChildren(...outcome("Rebuilt", job.report));
  }
}

/** The job as it is now; while the service cannot be reached, the job as it was, and a notice. */
async function nextState(job) {
  try {
    const next = await getJob(job.job_id);
    if (job.noticed) byId("job-problem").replaceChildren(); // what else stands there may wait for a word
    return next;
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    const free = byId("job-problem").childElementCount === 0;
    if (free) byId("job-problem").replaceChildren(problemNotice(error));
    await new Promise((resume) => setTimeout(resume, RETRY_MS));
    return { ...job, noticed: job.noticed || free };
  }
}

function showProgress(job) {
  const bar = byId("job-progress");
  const phase = phaseInWords(job.phase);
  // Written only when it changes: the line is read aloud each time it does.
  if (byId("job-phase").textContent !== phase) byId("job-phase").replaceChildren(phase);
  if (job.total > 0) {
    bar.max = job.total;
    bar.value = job.done;
    byId("job-count").replaceChildren(`${job.done.toLocaleString("en")} of ${job.total.toLocaleString("en")}`);
  } else {
    bar.removeAttribute("value"); // a bar without a value says: at work, no telling how long
    byId("job-count").replaceChildren();
  }
}

/** A word after the number of documents in the bar; "" for none. */
function showFlag(word) {
  byId("index-flag").hidden = word === "";
  byId("index-flag").replaceChildren(el("span", { class: "flag-word" }, word));
}

function outcome(label, report) {
  const parts = [el("p", {}, el("strong", {}, `${label}: `), reportInWords(report))];
  const skipped = Array.isArray(report.skipped) ? report.skipped : [];
  if (skipped.length > 0) {
    parts.push(el("details", {}, el("summary", {}, `Why ${count(skipped.length, "file was", "files were")} skipped`),
      el("ul", {}, ...skipped.slice(0, SKIPPED_SHOWN).map((file) => el("li", {},
        name(file.source), `: ${skipInWords(file)}`)))));
  }
  const warnings = [
    ...(report.stale ?? []).map((source) => [source, "could not be read; its last good version is served"]),
    ...(report.warnings ?? []),
  ];
  if (warnings.length > 0) {
    parts.push(el("details", {}, el("summary", {}, count(warnings.length, "warning")),
      el("ul", {}, ...warnings.slice(0, SKIPPED_SHOWN).map(([source, said]) => el("li", {},
        name(source), `: ${said}`)))));
  }
  const took = [report.passages_embedded > 0 && `${count(report.passages_embedded, "passage")} encoded`,
    report.passages_reused > 0 && `${report.passages_reused.toLocaleString("en")} kept`,
    report.seconds > 0 && `${report.seconds.toLocaleString("en", { maximumSignificantDigits: 2 })} s`].filter(Boolean);
  if (took.length > 0) parts.push(el("p", { class: "small" }, took.join(" · ")));
  return parts;
}

function fact(term, value, tooltip = "") {
  return [el("dt", {}, term), el("dd", tooltip ? { title: tooltip } : {}, String(value))];
}
